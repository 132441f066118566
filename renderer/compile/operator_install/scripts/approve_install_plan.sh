#!/bin/sh
# Approves the InstallPlan whose only ClusterServiceVersion is the pinned one, and waits until that one is installed.
#
# Ends with 0 when it is, and with 1 when OLM would install something else or the time is up. Approves nothing twice.
# Reads NAMESPACE, SUBSCRIPTION and CSV; TIMEOUT and PAUSE are seconds.
# Source: api/pkg/operators/v1alpha1 of operator-framework/api (Subscription, InstallPlan, ClusterServiceVersion).
set -u

TIMEOUT=${TIMEOUT:-1500}
PAUSE=${PAUSE:-5}
GROUP=operators.coreos.com
why="nothing was asked yet"

fail() {
    echo "error: $1" >&2
    exit 1
}

# get RESOURCE NAME JSONPATH: the fields, or nothing where there is no such object
get() {
    kubectl --namespace "$NAMESPACE" get "$1.$GROUP" "$2" --ignore-not-found --output "jsonpath=$3"
}

approve() {
    test_it="{\"op\": \"test\", \"path\": \"/spec/clusterServiceVersionNames\", \"value\": [\"$CSV\"]}"
    set_it='{"op": "add", "path": "/spec/approved", "value": true}'
    if kubectl --namespace "$NAMESPACE" patch "installplans.$GROUP" "$1" --type json --patch "[$test_it, $set_it]"; then
        why="InstallPlan $1 was approved"
    else
        why="InstallPlan $1 cannot be approved"
    fi
}

# Ends with 0 when the pinned version is installed; else says in `why` what is waited for.
is_installed() {
    if ! found=$(get subscriptions "$SUBSCRIPTION" '{.metadata.name}|{.status.installedCSV}|{.status.installPlanRef.name}'); then
        why="the Subscription $SUBSCRIPTION cannot be read"
        return 1
    fi
    if [ -z "$found" ]; then
        why="there is no Subscription $SUBSCRIPTION"
        return 1
    fi
    rest=${found#*|}
    installed=${rest%%|*}
    plan=${rest#*|}
    if [ "$installed" = "$CSV" ]; then
        has_succeeded
        return
    fi
    if [ -z "$plan" ]; then
        why="OLM has made no InstallPlan: see kubectl describe subscription.$GROUP $SUBSCRIPTION -n $NAMESPACE"
        return 1
    fi
    look_at_plan "$plan"
    return 1
}

has_succeeded() {
    if ! state=$(get clusterserviceversions "$CSV" '{.status.phase}|{.status.message}'); then
        why="$CSV cannot be read"
        return 1
    fi
    why="$CSV is ${state:-not there}"
    [ "${state%%|*}" = Succeeded ]
}

look_at_plan() {
    fields='{.spec.approved}|{.status.phase}|{.spec.clusterServiceVersionNames[*]}'
    if ! content=$(get installplans "$1" "$fields") || [ -z "$content" ]; then
        why="InstallPlan $1 cannot be read"
        return
    fi
    approved=${content%%|*}
    rest=${content#*|}
    phase=${rest%%|*}
    names=${rest#*|}
    why="InstallPlan $1 is ${phase:-new}, installed is ${installed:-nothing}"
    if [ "$names" = "$CSV" ]; then
        [ "$phase" != Failed ] || fail "InstallPlan $1 of $CSV has failed: kubectl describe installplan.$GROUP $1 -n $NAMESPACE"
        [ "$approved" = true ] || approve "$1"
        return
    fi
    case " $names " in
    *" $CSV "*)
        fail "InstallPlan $1 would install more than $CSV: $names; it is left alone"
        ;;
    esac
    # One that was approved before is past; OLM makes the next one when its catalog has the version.
    [ "$approved" = true ] || fail "InstallPlan $1 would install $names and not $CSV; it is left alone"
}

end=$(($(date +%s) + TIMEOUT))
until is_installed; do
    echo "$why"
    if [ "$(date +%s)" -ge "$end" ]; then
        fail "$CSV is not installed after $TIMEOUT seconds: $why"
    fi
    sleep "$PAUSE"
done
echo "$CSV is installed"
