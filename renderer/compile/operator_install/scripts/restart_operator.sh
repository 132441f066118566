#!/bin/sh
# Restarts the Deployments of the operator whose pods are older than its configuration, which they read at their start.
#
# Ends with 0 when all of them run, and with 1 when the time is up. Restarts nothing that has the configuration already.
# Reads NAMESPACE, CONFIG_MAP and DEPLOYMENTS (names between blanks); TIMEOUT and PAUSE are seconds.
# Source: docs/mkdocs/documentation/configure.md of Kernel Module Management.
set -u

TIMEOUT=${TIMEOUT:-600}
PAUSE=${PAUSE:-5}
why="nothing was asked yet"

get() {
    kubectl --namespace "$NAMESPACE" get "$@"
}

# When the ConfigMap was changed last, as the API server notes it for everybody who writes to it.
changed_at() {
    times='{.metadata.creationTimestamp}{"\n"}{range .metadata.managedFields[*]}{.time}{"\n"}{end}'
    get configmap "$CONFIG_MAP" --show-managed-fields --output "jsonpath=$times" | sort | tail -n 1
}

# has_older_pods DEPLOYMENT TIME: times of Kubernetes sort as text. A pod of the same second may have read the old text.
has_older_pods() {
    columns='{range .items[*]}{.metadata.name}{" "}{.metadata.creationTimestamp}{"\n"}{end}'
    pods=$(get pods --output "jsonpath=$columns") || return 2
    echo "$pods" | while read -r name created; do
        case "$name" in
        "$1"-*)
            later=$(printf '%s\n%s\n' "$2" "$created" | sort | tail -n 1)
            if [ "$later" = "$2" ]; then
                echo old
            fi
            ;;
        esac
    done | grep -q old
}

is_complete() {
    fields='{.metadata.generation} {.status.observedGeneration} {.spec.replicas} {.status.updatedReplicas} {.status.availableReplicas} {.status.replicas}'
    state=$(get deployment "$1" --output "jsonpath=$fields") || return 1
    # Six numbers; of those that are 0 the API server says nothing, and then there are fewer.
    # shellcheck disable=SC2086
    set -- $state
    [ "$#" -eq 6 ] && [ "$1" = "$2" ] && [ "$3" = "$4" ] && [ "$3" = "$5" ] && [ "$3" = "$6" ]
}

restarted=" "

# Ends with 0 when all Deployments run with the configuration; else says in `why` what is waited for.
is_settled() {
    changed=$(changed_at)
    if [ -z "$changed" ]; then
        why="ConfigMap $CONFIG_MAP cannot be read"
        return 1
    fi
    for deployment in $DEPLOYMENTS; do
        case "$restarted" in
        *" $deployment "*) ;;
        *)
            has_older_pods "$deployment" "$changed"
            case $? in
            0)
                why="Deployment $deployment cannot be restarted"
                kubectl --namespace "$NAMESPACE" rollout restart "deployment/$deployment" || return 1
                restarted="$restarted$deployment "
                ;;
            2)
                why="the pods cannot be read"
                return 1
                ;;
            esac
            ;;
        esac
        why="Deployment $deployment does not run yet"
        is_complete "$deployment" || return 1
    done
}

end=$(($(date +%s) + TIMEOUT))
until is_settled; do
    echo "$why"
    if [ "$(date +%s)" -ge "$end" ]; then
        echo "error: not done after $TIMEOUT seconds: $why" >&2
        exit 1
    fi
    sleep "$PAUSE"
done
echo "the operator runs with the configuration of $changed"
