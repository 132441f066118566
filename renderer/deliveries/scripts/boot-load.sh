#!/bin/bash
# Loads a kernel module out of an image, before the network is up, in place of the kernel's own.
#
# systemd runs it at every boot, with these variables:
#   DRIVER                         name of the driver, for its volume and its state
#   KERNEL_MODULE                  what is loaded
#   KERNEL_MODULE_IMAGE            image without a tag; the tag is TAG_PREFIX, the kernel's version, TAG_SUFFIX
#   IN_TREE_MODULES_TO_REMOVE      modules of the kernel that are unloaded before, dependents first
#   MODULES_DIR                    folder of the image that holds lib/modules
#   FIRMWARE_FILES_PATH            folder of the image that holds firmware, or nothing
#   WORKER_IMAGE, WORKER_CONFIG    KMM's worker, and what it is told to load, without the image
# SYSTEM_ROOT goes before every path of the node; tests set it.
set -u

root=${SYSTEM_ROOT:-}
state=$root/run/kmodgate-boot/$DRIVER
firmware=/var/lib/firmware
volume=kmodgate-boot-$DRIVER
kernel=$(uname -r)
image=$KERNEL_MODULE_IMAGE:${TAG_PREFIX:-}$kernel${TAG_SUFFIX:-}
read -r -a in_tree <<<"${IN_TREE_MODULES_TO_REMOVE:-}"

say() { printf 'kmodgate: %s\n' "$*"; }

is_loaded() { [ -d "$root/sys/module/${KERNEL_MODULE//-/_}" ]; }

# The kernel's own modules are blacklisted and load by name only. Without them there may be no network to pull over.
load_in_tree() {
    local index
    for ((index = ${#in_tree[@]} - 1; index >= 0; index--)); do
        modprobe "${in_tree[index]}" || say "the kernel's own ${in_tree[index]} does not load"
    done
}

fall_back() {
    say "$1; the node goes on with the kernel's own modules: ${in_tree[*]:-none}"
    load_in_tree
    exit "$2"
}

clean_up() { podman volume rm --force "$volume" >/dev/null 2>&1; }

# Copies the modules of this kernel before anything is unloaded: an image without them must not cost the node its driver.
copy_modules() {
    # shellcheck disable=SC2016  # they expand in the container
    local copy='set -e
        mkdir -p "/tmp$1/lib/modules"
        cp -R "$1/lib/modules/$2" "/tmp$1/lib/modules/"
        if [ -n "$3" ]; then mkdir -p "/tmp$3" && cp -R "$3/." "/tmp$3/"; fi'
    podman volume create "$volume" >/dev/null &&
        podman run --rm --pull=never --network=none --user=root --entrypoint=/bin/sh --volume "$volume:/tmp" \
            "$image" -c "$copy" sh "$MODULES_DIR" "$kernel" "${FIRMWARE_FILES_PATH:-}"
}

run_worker() {
    local mounts=() arguments=()
    if [ -n "${FIRMWARE_FILES_PATH:-}" ]; then
        mkdir -p "$root$firmware"
        mounts=(--volume "$root$firmware:$firmware")
        arguments=(--firmware-path "$firmware")
    fi
    { printf 'containerImage: %s\n' "$image" && cat "$WORKER_CONFIG"; } >"$state/config.yaml" &&
        podman run --rm --pull=never --network=none --user=root --privileged \
            --volume "$volume:/tmp" \
            --volume /lib/modules:/lib/modules:ro \
            --volume "$state/config.yaml:/etc/kmm-worker/config.yaml:ro" "${mounts[@]}" \
            "$WORKER_IMAGE" kmod load /etc/kmm-worker/config.yaml "${arguments[@]}"
}

mkdir -p "$state"

if is_loaded && [ "$(cat "$state/loaded" 2>/dev/null)" = "$image" ]; then
    say "$KERNEL_MODULE of $image is loaded already"
    exit 0
fi

case $kernel in
*+*) fall_back "kernel $kernel has a + in its version, which no tag of an image can have" 1 ;;
esac

for needed in "$image" "$WORKER_IMAGE"; do
    podman image exists "$needed" || fall_back "$needed is not on this node yet" 0
done

listed=" ${in_tree[*]} " # of names that are equal to the kernel and to modprobe, with - or _
if is_loaded && [[ ${listed//-/_} != *" ${KERNEL_MODULE//-/_} "* ]]; then
    fall_back "another $KERNEL_MODULE is loaded, and nothing is told to remove it" 1
fi

trap clean_up EXIT
trap 'fall_back "interrupted" 1' TERM
clean_up

copy_modules || fall_back "$image holds no modules for kernel $kernel in $MODULES_DIR, or no firmware" 1

if run_worker && is_loaded; then
    printf '%s\n' "$image" >"$state/loaded"
    say "loaded $KERNEL_MODULE of $image"
    exit 0
fi
fall_back "$KERNEL_MODULE of $image was not loaded" 1
