#!/usr/bin/env bash
# What kmodgate does, in half a minute: a fleet of 20 clusters from its specs to git. Run it with `make demo`.
# Everything happens in a folder of its own, which is removed at the end.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_PAGER=cat GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=demo GIT_AUTHOR_EMAIL=demo@example.com GIT_COMMITTER_NAME=demo GIT_COMMITTER_EMAIL=demo@example.com
export LC_ALL=C  # ours and git's messages in one language

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[36m' off=$'\e[0m'; else bold='' dim='' off=''; fi

step() { printf '\n%s== %s%s\n' "$bold" "$1" "$off"; }
say() { printf '   %s\n' "$1"; }
run() {
  local word shown='' code=0
  for word in "$@"; do
    case $word in *[!A-Za-z0-9_./:=%-]*) word="'$word'" ;; esac
    shown+=" $word"
  done
  printf '%s$%s%s\n' "$dim" "$shown" "$off"
  "$@" 2>&1 || code=$?
  [ "$code" -eq 0 ] || printf '%s(exit code %s)%s\n' "$dim" "$code" "$off"
}
shortly() { printf '%s$ %s%s\n' "$dim" "$2" "$off"; bash -c "$2" 2>&1 | { head -n "$1"; if IFS= read -r _; then echo '   [...]'; cat > /dev/null; fi; } || true; }

cp -r "$here/edge-fleet" "$work/edge-fleet"
rm -rf "$work/edge-fleet/rendered"
cd "$work/edge-fleet"
git init --quiet --initial-branch=main

step "A fleet: 20 clusters, 6 kernel drivers, one short spec each"
run ls -C -w 100 kmodgate.yaml clusters drivers
say "One of the specs:"
shortly 40 "cat drivers/acme-gpu.yaml"

step "Compile it into the objects that KMM and Argo CD want, and commit them"
run kmodgate render
run git add .
run git commit --quiet --message "First rendering"
shortly 16 "git log --stat --format='%h %s' -- rendered/paris"
say "The Module of one driver on one cluster:"
shortly 45 "cat rendered/paris/ice/module-ice.yaml"

step "Change one line of one spec: the reviewer sees what it does to every cluster"
run sed -i.orig "s/ICE_VERSION: \"2.3.14\"/ICE_VERSION: \"2.3.16\"/" drivers/ice.yaml
rm drivers/ice.yaml.orig
run kmodgate render
run git diff --stat --stat-count=6
run git diff -U1 -- drivers rendered/metz/ice
say "The tag changed with the argument (contentTag): KMM never rebuilds a tag that exists."
run git commit --quiet --all --message "Build ice 2.3.16"

step "A typo in a label would unload drivers from the nodes of a cluster: it is refused"
run sed -i.orig "s/tier: regional/tier: regoinal/" clusters/nantes.yaml
run kmodgate render
run mv clusters/nantes.yaml.orig clusters/nantes.yaml

step "Mistakes are reported like a compiler's, all at once, with the fix"
cat > drivers/broken.yaml <<'SPEC'
apiVersion: kmodgate.io/v1alpha1
kind: KernelDriver
metadata:
  name: broken
spec:
  clusters: {names: [pariss]}
  namespace: {name: Network_Drivers}
  selector: {example.com/nic: yes}
  version: 2.10
  modprobe: {moduleName: broken, parameter: [debug=1]}
  kernelMappings:
  - {literal: 5.14.0-427.13.1.el9_4.x86_64, regexp: ^5}
SPEC
run cat -n drivers/broken.yaml
run kmodgate render
run rm drivers/broken.yaml

step "In CI: is what is committed what the specs say?"
run kmodgate render --check
run sed -i.orig "s/moduleName: irdma/moduleName: ice/" rendered/paris/ice/module-ice.yaml
rm rendered/paris/ice/module-ice.yaml.orig
run kmodgate render --check

step "Next"
say "README.md            what else it takes care of, and how to start a fleet of your own"
say "docs/spec.md         every field of a spec, and what it becomes"
say "docs/tree.md         layout, sync waves, ownership, removal"
say "examples/            this fleet, single-node OpenShift, and a set that uses every field"
