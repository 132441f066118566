"""Every error of specs, files, references and the tree by its id: what it means, and what to do.

Rules of the check are not here but in `policy/rules/`, with their pages. docs/errors.md is made of this.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    id: str
    meaning: str
    remedy: str


SECTIONS = {
    "SCH: structure": (
        Entry(
            "SCH001",
            "a file cannot be used: not UTF-8, a folder, a link out of the fleet, larger than 1 MiB, a fleet"
            " inside a fleet",
            "save it as UTF-8, replace the link by a copy, split it",
        ),
        Entry(
            "SCH002",
            "not YAML; often a tab in the indentation, a quote or bracket that is not closed, or a login page of HTML",
            "correct the line that it names; a quote is reported where it begins",
        ),
        Entry(
            "SCH003",
            "a key stands twice in a map, and readers silently take the last; or a second document begins without a"
            " line `---`",
            "keep one, or put `---` between the documents",
        ),
        Entry(
            "SCH004",
            "an anchor, alias, merge key or tag; specs are read without them",
            "write the value out",
        ),
        Entry(
            "SCH005",
            "a value that YAML readers disagree on (`yes`, `0644`, `1e3`, `2024-01-01`), or a number beyond 64 bits",
            "quote a text, write `true`, `false` or the number otherwise",
        ),
        Entry(
            "SCH006",
            "an empty file",
            "write a spec into it, or delete it",
        ),
        Entry(
            "SCH007",
            "larger than 1 MiB, more than 1,000 documents, or nested deeper than 32 levels",
            "split or flatten it",
        ),
        Entry(
            "SCH008",
            "a Module of KMM among the specs, which render puts nowhere, or a spec that lies in no fleet (a warning)",
            "turn the Module into a spec with `kmodgate import FILE`, and delete the file; for the spec, mark the root"
            " of its fleet with an empty `kmodgate.yaml`",
        ),
        Entry(
            "SCH101",
            "an unknown field; the API server would drop it silently",
            "the fix names the field that was meant, or the place where it belongs",
        ),
        Entry(
            "SCH102",
            "a value of another type: a number or boolean where a string belongs, a key without a value",
            "the fix has the line to write",
        ),
        Entry(
            "SCH103",
            "a required field is missing, or a field means nothing without another",
            "add it",
        ),
        Entry(
            "SCH104",
            "a value that is not allowed, or fields that exclude each other",
            "the fix names what is",
        ),
        Entry(
            "SCH105",
            "two items of one name in a list that overrides merge by name, two removals of one Module, or two mirrors"
            " of one source",
            "rename or remove one",
        ),
        Entry(
            "SCH106",
            "a field that the cluster's KMM or Kubernetes does not know, or ignores (a warning)",
            "remove it there by an override, or upgrade to the version named",
        ),
        Entry(
            "SCH107",
            "the API server would refuse the object: a name, a label or an annotation is not valid",
            "correct it",
        ),
        Entry(
            "SCH108",
            "a kind or version of KMM's group that there is not",
            "correct it as the message says",
        ),
        Entry(
            "SCH109",
            "an object that is meant for KMM, of a former or misspelt group, or of a kind in the plural",
            "write apiVersion and kind as the message says",
        ),
        Entry(
            "SCH112",
            "what pods of DaemonSets cannot have: an account of the device plugin's own in the driver's pod, a mount of"
            " no volume, rights without which no module is loaded, or an option without what it is for",
            "move the field, or change the other, as the fix says",
        ),
    ),
    "REF: references": (
        Entry(
            "REF001",
            "a selector that matches no cluster, or names one that does not exist",
            "correct the selector, or add the cluster",
        ),
        Entry(
            "REF002",
            "an override that matches none of the driver's clusters",
            "correct or remove it",
        ),
        Entry(
            "REF003",
            "a Dockerfile, attached file, inventory or release file that is missing, empty, or outside the fleet",
            "correct the path; it is relative to the spec",
        ),
        Entry(
            "REF004",
            "two specs of one kind and name",
            "rename or remove one",
        ),
        Entry(
            "REF005",
            "two drivers of a cluster want different objects of one name",
            "rename one, or keep it in one driver",
        ),
        Entry(
            "REF006",
            "a driver for a cluster that has no KMM",
            "say which KMM the cluster has, or leave it out",
        ),
        Entry(
            "REF007",
            "a cluster that two DriverPolicies select",
            "narrow one of the selectors",
        ),
        Entry(
            "REF008",
            "a cluster without facts, although `--facts` gives those of others (a note)",
            "`--facts CLUSTER=PATH`",
        ),
        Entry(
            "REF009",
            "Node objects outside of a fleet, which count as all nodes of the cluster (a note)",
            "give what `kubectl get nodes -o yaml` writes",
        ),
        Entry(
            "REF010",
            "a driver for DaemonSets on a cluster whose nodes or kernels are not known, or with a kernel that no"
            " mapping takes, or no kernel named of some nodes (warnings where others are taken)",
            "give `nodeGroups[].kernels` or an inventory, or add a mapping",
        ),
        Entry(
            "REF011",
            "a kernel that the node label cannot name: Node Feature Discovery writes none with a `+` or more than 63"
            " characters",
            "label such nodes yourself and name the label in `daemonset.kernelLabel`",
        ),
    ),
    "IMG: images": (
        Entry(
            "IMG001",
            "`contentTag` without anything that is built or signed, or for an image without a tag or with a digest",
            "give the image a tag, or remove `contentTag`",
        ),
        Entry(
            "IMG401",
            "one image name with different content: clusters or drivers build or sign it in different ways, or for"
            " different kernels, and KMM makes an image of a name once",
            "set `contentTag: true`, give one of them another name, or put the kernel into the tag; a DriverPolicy may"
            " give it a mode like a rule",
        ),
        Entry(
            "IMG402",
            "a base image of a build that no build argument can move, on a cluster with a mirror of its source (a"
            " warning): builders ignore the mirrors of nodes",
            "name it by an ARG of its own before the first FROM, what is copied from by a stage that begins with it;"
            " render gives the build the mirror's name",
        ),
        Entry(
            "IMG403",
            "a tag whose source is mirrored for digests only, or the reverse (a warning)",
            "add a mirror of the other type to the cluster, or name the image the other way",
        ),
    ),
    "OPC: KMM's operator": (
        Entry(
            "OPC201",
            "a dump shows KMM from another installation than the one that the specs render: another Subscription, a"
            " Helm release (AMD's GPU Operator brings one), a Deployment elsewhere",
            "remove that one first, or `spec.kmm.install`; a DriverPolicy may give it a mode like a rule",
        ),
        Entry(
            "OPC202",
            "the operator leaves a cluster while Modules or loaded drivers are there, which nothing would unload",
            "remove the drivers first, and the operator in a later commit ([operator](operator.md#removal)); a"
            " DriverPolicy may give it a mode like a rule",
        ),
    ),
    "HUB: hubs and spokes": (
        Entry(
            "HUB401",
            "a name that is too long on the hub: driver and spoke together are a label there, at most 63 characters;"
            " the namespace of a Policy and its name have 62",
            "shorten the name of the driver",
        ),
        Entry(
            "HUB402",
            "a spoke on whose kernels no mapping matches: the hub makes a Module without mappings for it, and the spoke"
            " refuses that",
            "add a mapping, or do not select the spoke",
        ),
        Entry(
            "HUB403",
            "a spoke whose hub is not in the fleet, is no hub, or is the spoke itself",
            "name a Cluster with `acm: {role: hub}`",
        ),
        Entry(
            "HUB404",
            "a driver with `delivery: hub` for a cluster that is no hub",
            "write `acm: {role: hub}` in its spec, or select hubs only",
        ),
        Entry(
            "HUB405",
            "`spec.hub.selector` matches no spoke that the fleet knows (a warning)",
            "correct the selector or the labels of the spokes, or add the spokes to the fleet",
        ),
        Entry(
            "HUB406",
            "a driver that a spoke gets from its hub, and by a Module of its own",
            "narrow `spec.clusters` or `spec.hub.selector`",
        ),
        Entry(
            "HUB407",
            "a ManagedClusterModule with the name of the ManifestWork of another driver, `kmodgate-<driver>`: KMM names"
            " its own ManifestWork after the ManagedClusterModule, in the same namespace of the spoke",
            "rename one of the two drivers",
        ),
        Entry(
            "HUB408",
            "a pull secret that `hub.copyPullSecret` copies to the spokes, and that an attached ExternalSecret or"
            " SealedSecret makes there, too",
            "keep one of the two",
        ),
        Entry(
            "HUB409",
            "an image of a hub's driver of which only the spoke has a mirror: the Module has the names of the hub (a"
            " warning)",
            "give the hub the mirror, or the spoke `mirrorObjects: true`",
        ),
    ),
    "DAY: drivers that are loaded at boot": (
        Entry(
            "DAY001",
            "`boot` for a cluster whose machines nobody configures with it: not OpenShift, managed by a provider (ROSA,"
            " OSD, ARO), MicroShift, or without the BootModuleConfig that is asked for (a warning for spokes of a hub)",
            "leave it out there by an override: `boot: null`",
        ),
        Entry(
            "DAY002",
            "a pool that no node group of the cluster is in",
            "name another one; on single-node and compact clusters it is `master`",
        ),
        Entry(
            "DAY003",
            "no image that a node could pull at boot: the tag must follow from the version of the kernel",
            "name the image without its tag in `boot.image`",
        ),
        Entry(
            "DAY004",
            "no worker image, or one that is not pinned",
            "name a version of it in `boot.workerImage`, or in `tools.worker` of the Cluster",
        ),
        Entry(
            "DAY005",
            "something that cannot be done at boot: removals that differ by kernel, `rawArgs`, characters that a shell"
            " acts on, or what a BootModuleConfig has no field for",
            "the fix names the field",
        ),
        Entry(
            "DAY006",
            "a kernel with a `+` in its version in the pool, which no tag of an image can have",
            "take another kernel, or leave `boot` out there",
        ),
        Entry(
            "DAY008",
            "a hosted cluster whose control plane runs on no cluster of the fleet, or `hosted` without that topology",
            "name the Cluster in `hosted.management`",
        ),
        Entry(
            "DAY009",
            "`imageRepoSecret` beside `boot` (a warning): at boot nodes pull with the cluster-wide pull secret",
            "add the registry to that secret",
        ),
        Entry(
            "DAY010",
            "a pool that is paused (a warning): nothing is applied to its nodes",
            "resume it when the nodes may reboot",
        ),
        Entry(
            "DAY011",
            "a driver that removes the module of its own name, beside `boot` (a warning): after each boot the delivery"
            " replaces what was loaded",
            "move the list to `boot.inTreeModulesToRemove`",
        ),
    ),
    "GIT: the tree": (
        Entry(
            "GIT001",
            "a Module would leave the tree, which unloads its driver ([removals](tree.md#removals)), or an entry of"
            " `removals.yaml` has another digest than the Module",
            "if it is meant, `kmodgate render --allow-removal NAME`, or `state: absent`; no policy can lower it",
        ),
        Entry(
            "GIT002",
            "a file, folder or link of somebody else where kmodgate wants to write",
            "move it away",
        ),
        Entry(
            "GIT003",
            "a spec in the output folder, where none is looked for",
            "move it out of there, or give another `--output`",
        ),
        Entry(
            "GIT004",
            "an object stands twice in one file, or in two files of one rendered cluster (a warning)",
            "keep it in one place; which of the two is applied is decided by their order",
        ),
        Entry(
            "GIT005",
            "an entry of `removals.yaml` that nothing needs (a note): its Module is in the tree again, or has not left"
            " since the revision",
            "`kmodgate render` drops the first kind; delete the second once its removal is merged",
        ),
        Entry(
            "GIT006",
            "a file in the output folder that no render has written, and that Argo CD would apply (a warning)",
            "delete it, or let a driver attach it",
        ),
        Entry(
            "GIT007",
            "an Application in a dump of Argo CD's cluster that applies the tree and that the fleet does not make (a"
            " warning): a cluster that has left, a rename, or a second Application of one folder",
            "delete it; it has no finalizer, so that its cluster keeps what it applied",
        ),
    ),
    "IMS: an ImageService": (
        Entry(
            "IMS501",
            "a cluster that two ImageServices select",
            "narrow one of the selectors",
        ),
        Entry(
            "IMS502",
            "a field that the release of the service does not know, or ignores",
            "remove it there by an override, or take the release named",
        ),
        Entry(
            "IMS503",
            "fields that contradict each other, or that mean nothing together",
            "keep one of them, as the fix says",
        ),
        Entry(
            "IMS504",
            "a flag that has no effect (a warning), since another setting decides before it is asked for",
            "change that setting, or remove the flag",
        ),
        Entry(
            "IMS505",
            "a configuration of CFS that cannot be used: a page of HTML, no JSON, the fields of another API, or a layer"
            " that it does not have",
            "export it again as JSON, or correct `api` and `layers`",
        ),
        Entry(
            "IMS506",
            "a DriverPolicy that says of Kata what the cluster's ImageService says differently",
            "remove `parameters.kata` from the policy, as far as the ImageService says it",
        ),
        Entry(
            "IMS507",
            "a configuration of CFS with `name` or `lastUpdated`, as `describe` prints it (a warning): CFS sets these"
            " fields itself, and an update with them is refused",
            "remove the fields from the file",
        ),
    ),
    "POL: exceptions of a policy": (
        Entry(
            "POL101",
            "an exception ends within 14 days (a warning)",
            "mend what it bears, or agree on another day",
        ),
        Entry(
            "POL102",
            "an exception has ended; the rule holds again",
            "mend what it bears, or agree on another day",
        ),
        Entry(
            "POL103",
            "an exception that matches nothing in a fleet that was judged as a whole (a note)",
            "correct its object, or remove it if nothing in a cluster needs it either",
        ),
    ),
    "IMP: what an import does not carry over": (
        Entry(
            "IMP001",
            "an object that is not imported: no spec can say it, what it loads is not said, or another has its name",
            "correct the object, give the option that the message names, or write the spec by hand",
        ),
        Entry(
            "IMP002",
            "a field of a Module, or of an object that becomes one, that is not carried over",
            "compare what render writes, and mend the spec where it matters",
        ),
        Entry(
            "IMP003",
            "a label or annotation that is not carried over",
            "nothing, unless somebody selects by it",
        ),
        Entry(
            "IMP004",
            "another object, or a field of it, that is not carried over",
            "attach it by hand, or leave it to the cluster",
        ),
    ),
}
"""Title of a section → its errors."""

ERRORS = {entry.id: entry for entries in SECTIONS.values() for entry in entries}
