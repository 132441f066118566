#!/bin/bash
# Pulls the image of a kernel module that is loaded at boot, and reboots the node once so that it is.
#
# systemd runs it at every boot, when the network is up. The variables are those of the script that loads; AUTH_FILE holds
# the credentials, which are the node's own: no pull secret of a namespace counts here.
set -u

root=${SYSTEM_ROOT:-}
state=$root/var/lib/kmodgate-boot/$DRIVER
asked=$state/rebooted-for
kernel=$(uname -r)
image=$KERNEL_MODULE_IMAGE:${TAG_PREFIX:-}$kernel${TAG_SUFFIX:-}

say() { printf 'kmodgate: %s\n' "$*"; }

fail() {
    say "$1"
    exit 1
}

# Scripts of NetworkManager's dispatcher write /etc/resolv.conf; before they are done no name of a registry resolves.
wait_for_dispatcher() {
    local left
    for ((left = ${DISPATCHER_SECONDS:-300}; left > 0; left--)); do
        case $(systemctl show NetworkManager-dispatcher --property=ActiveState --property=Result) in
        *ActiveState=inactive*Result=success* | *Result=success*ActiveState=inactive*) return ;;
        esac
        sleep 1
    done
    say "NetworkManager's dispatcher is still at work; pulling all the same"
}

are_present() { podman image exists "$WORKER_IMAGE" && podman image exists "$image"; }

case $kernel in
*+*) fail "kernel $kernel has a + in its version, which no tag of an image can have: nothing to pull" ;;
esac

if are_present; then
    say "$image is on this node"
    rm -f "$asked"
    exit 0
fi

wait_for_dispatcher
for needed in "$WORKER_IMAGE" "$image"; do
    podman image exists "$needed" || podman pull --authfile "$AUTH_FILE" "$needed" || fail "cannot pull $needed"
done

if [ "$(cat "$asked" 2>/dev/null)" = "$image $WORKER_IMAGE" ]; then
    fail "$image was pulled and the node rebooted for it before, and it was gone again: not rebooting a second time"
fi
mkdir -p "$state"
printf '%s\n' "$image $WORKER_IMAGE" >"$asked"
say "rebooting, so that $KERNEL_MODULE of $image is loaded"
systemctl reboot
