#!/usr/bin/env bash
# What kmodgate does, in half a minute: a fleet of 20 clusters from its specs to git. Run it with `make demo`.
# Everything happens in a folder of its own, which is removed at the end.
set -euo pipefail

if ! command -v kmodgate > /dev/null; then
  echo "demo.sh: kmodgate is not on PATH; run it with: make demo" >&2
  exit 1
fi

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
webhook=
trap '[ -z "$webhook" ] || kill "$webhook" 2>/dev/null || true; rm -rf "$work"' EXIT
unset $(git rev-parse --local-env-vars)  # from a git hook, they would lead into the repository of the hook
export GIT_PAGER=cat GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=demo GIT_AUTHOR_EMAIL=demo@example.com GIT_COMMITTER_NAME=demo GIT_COMMITTER_EMAIL=demo@example.com
export LC_ALL=C  # ours and git's messages in one language

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[36m' off=$'\e[0m'; else bold='' dim='' off=''; fi

step() { printf '\n%s== %s%s\n' "$bold" "$1" "$off"; }
say() { printf '   %s\n' "$1"; }
echo_command() { printf '%s$ %s%s\n' "$dim" "$1" "$off"; }
exit_code() { printf '%s(exit code %s)%s\n' "$dim" "$1" "$off"; }

# A command as a person would type it.
quoted() {
  local word shown=''
  for word in "$@"; do
    case $word in *[!A-Za-z0-9_./:=%-]*) word="'$word'" ;; esac
    shown+="${shown:+ }$word"
  done
  printf '%s' "$shown"
}

# Shows a command and runs it; says how it ended if that was not well, or if that is what it is for.
run() {
  local code=0
  echo_command "$(quoted "$@")"
  "$@" 2>&1 || code=$?
  if [ "$code" -ne 0 ] || [[ $* == *--check* ]]; then exit_code "$code"; fi
}

# The first lines of what a command prints.
shortly() {
  local lines=$1
  shift
  echo_command "$(quoted "$@")"
  { "$@" 2>&1 || exit_code $?; } | awk -v lines="$lines" 'NR <= lines { print } END { if (NR > lines) print "   [... " (NR - lines) " more lines]" }'
}

cp -r "$here/edge-fleet" "$work/edge-fleet"
rm -rf "$work/edge-fleet/rendered"
cd "$work/edge-fleet"
git init --quiet --initial-branch=main
echo '*.orig' >> .git/info/exclude  # what sed leaves behind: BSD and GNU both want a suffix
export COLUMNS=${COLUMNS:-80}

step "A fleet: 20 clusters, 6 kernel drivers, one short spec each"
run ls -C clusters drivers
say "One of the specs, without its comments:"
shortly 44 grep -Ev '^ *(#|$)' drivers/ice.yaml

step "Compile it into the objects that KMM and Argo CD want, and commit them"
run kmodgate render
run git add .
run git commit --quiet --message "First rendering"
shortly 16 git log --stat --format=%s -- rendered/paris
say "The Module of one driver on one cluster:"
shortly 45 cat rendered/paris/ice/module-ice.yaml

step "Change one line of one spec: the reviewer sees what it does to every cluster"
run sed -i.orig 's/1.17.11/1.17.12/' drivers/ice.yaml
run kmodgate render
run git diff --stat --stat-count=6
run git diff -U1 -- drivers rendered/metz/ice
say "The tag changed with the argument (contentTag):"
say "KMM never rebuilds a tag that exists."
say "What happens on the nodes when this is merged:"
shortly 12 kmodgate diff
run git commit --quiet --all --message "Build irdma 1.17.12"

step "The next kernel: which nodes would lose a driver?"
shortly 20 kmodgate plan
shortly 12 kmodgate plan --kernel 6.12.0-55.el10.x86_64
say "Where does a field come from, and what does a node load?"
run kmodgate explain ice 'spec.moduleLoader.container.kernelMappings[0].containerImage' --cluster lyon
shortly 8 kmodgate explain node --cluster arles

step "A label that gets lost would unload drivers from a fleet: it is refused"
run sed -i.orig '/tier: core/d' clusters/lille.yaml clusters/paris.yaml
run kmodgate render
run git checkout --quiet -- clusters

step "Mistakes are reported like a compiler's, all at once, with the fix"
cat > drivers/broken.yaml <<'SPEC'
apiVersion: kmodgate.io/v1alpha1
kind: KernelDriver
metadata:
  name: broken
spec:
  clusters: {names: [paris]}
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
run kmodgate render --check

step "The same rules where the API server asks: the admission webhook"
if command -v kmodgate-webhook > /dev/null && command -v openssl > /dev/null && command -v curl > /dev/null; then
  cp -r "$here/webhook" "$work/webhook"
  cd "$work/webhook"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout tls.key -out tls.crt 2> /dev/null
  serve=(kmodgate-webhook serve --tls-cert tls.crt --tls-key tls.key --facts cluster.yaml --audit-log audit.jsonl
    --listen 127.0.0.1:19443 --ops-listen 127.0.0.1:19080)
  say "Without a cluster, on a dump of one, with a certificate of its own:"
  echo_command "$(quoted "${serve[@]}") &"
  "${serve[@]}" 2> events.jsonl &
  webhook=$!
  for _ in $(seq 100); do
    curl --silent --fail --output /dev/null http://127.0.0.1:19080/readyz && break
    sleep 0.1
  done
  ask() {
    echo_command "curl --data @$2 https://localhost:19443/$1"
    curl --silent --show-error --noproxy '*' --cacert tls.crt --header 'Content-Type: application/json' \
      --data "@$2" "https://localhost:19443/$1?timeout=5s" > answer.json
    python3 -m json.tool answer.json | fold -s -w "$COLUMNS"
  }
  say "A Module with four mistakes, one of which would run a command on the node:"
  ask validate module.json
  say "Deleting a namespace whose driver is loaded on a node:"
  ask validate namespace.json
  say "A pod that builds a kernel module gets a kernel of its own:"
  ask mutate pod.json
  say "The patch: $(python3 -c 'import base64, json, sys
print(base64.b64decode(json.load(sys.stdin)["response"]["patch"]).decode())' < answer.json)"
  kill "$webhook" && wait "$webhook" || true
  webhook=
  cd "$work/edge-fleet"
else
  say "(left out: it takes kmodgate-webhook, openssl and curl)"
fi

step "Image builds on HPE Cray systems: which jobs run in a VM, and which leave it with an upgrade?"
cp -r "$here/cray-ims" "$work/cray-ims"
cd "$work/cray-ims"
run kmodgate render
config=handover/alps/cray-ims/expected-ims-config.yaml
say "A recipe that CSM 1.5 stored with false, with DKMS on for all jobs: now, and with CSM 1.6"
run kmodgate ims decide --csm 1.5.2 --config "$config" --type create --recipe-dkms false
run kmodgate ims decide --csm 1.6.0 --config "$config" --type create --recipe-dkms false
say "All recipes of a system at once:"
shortly 22 kmodgate ims compare --from 1.5.2 --to 1.6.0 --config "$config" --recipes recipes.json

step "Next"
say "README.md      what else it takes care of, and a fleet of your own"
say "docs/spec.md   every field of a spec, and what it becomes"
say "docs/tree.md   layout, sync waves, ownership, removal"
say "examples/      this fleet, single-node OpenShift, every field in use"
