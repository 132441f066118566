#!/bin/sh
# Load the kernel modules of this image on the node, hold them, report on them, and unload them.
#
# usage: kernel-module.sh load | hold | ready | unload | wait
#
# Needs modprobe and modinfo of kmod, and busybox or coreutils with grep. Lists have one item a line. All settings come
# from the environment of the pod; paths that start with KMODGATE_PATH_ have a value there in tests only.
set -uf

kernel=$KMODGATE_KERNEL
modules=${KMODGATE_MODULES-}
dir=${KMODGATE_DIR-/opt}
raw=${KMODGATE_RAW-}
sys=${KMODGATE_PATH_SYS-/sys}
state=${KMODGATE_PATH_STATE-/run/kmodgate}
host_firmware=${KMODGATE_PATH_FIRMWARE-/run/kmodgate-firmware}
log=${KMODGATE_PATH_LOG-/proc/1/fd/2}
newline='
'
stopping=
sleeper=
loaded_here=
problem=

# -- words ---------------------------------------------------------------------------------------

say() {
    printf 'kmodgate: %s\n' "$*" >&2
}

# The output of a preStop hook goes nowhere: what it has to say goes to the log of the container, too.
log_too() {
    say "$@"
    { printf 'kmodgate: %s\n' "$*" >>"$log"; } 2>/dev/null
}

fail() {
    problem=$*
    say "$problem"
    return 1
}

# -- time ----------------------------------------------------------------------------------------

# A shell runs its trap only after the program that it waits for has ended; `wait` ends at once.
pause() {
    sleep "$1" &
    sleeper=$!
    wait "$sleeper" || kill "$sleeper" 2>/dev/null
}

finish() {
    [ -z "$sleeper" ] || kill "$sleeper" 2>/dev/null
    exit 0
}

# -- modules -------------------------------------------------------------------------------------

# The kernel has _ for every - in the names of modules, and modprobe takes both.
in_kernel_form() {
    printf '%s' "$1" | tr - _
}

in_sysfs() {
    printf '%s/module/%s' "$sys" "$(in_kernel_form "$1")"
}

# A module that is built into the kernel has a folder, too, but none of these files.
is_loaded() {
    place=$(in_sysfs "$1")
    [ -e "$place/initstate" ] || [ -e "$place/refcnt" ] || [ -e "$place/srcversion" ] || [ -e "$place/taint" ]
}

is_built_in() {
    [ -d "$(in_sysfs "$1")" ] && ! is_loaded "$1"
}

bytes() {
    od -An -v -tx1 2>/dev/null | tr -d '\n'
}

srcversion() {
    cat "$(in_sysfs "$1")/srcversion" 2>/dev/null
}

build_id() {
    note=$(in_sysfs "$1")/notes/.note.gnu.build-id
    [ -r "$note" ] && bytes <"$note"
}

# What tells the loaded module from others of its name.
identity() {
    found=$(srcversion "$1")
    if [ -n "$found" ]; then
        printf 'srcversion %s' "$found"
        return
    fi
    found=$(build_id "$1")
    [ -n "$found" ] && printf 'build-id%s' "$found"
}

# The program that writes the content of a file of the image, which may be compressed.
reader_of() {
    case $1 in
    *.xz) echo xzcat ;;
    *.gz) echo zcat ;;
    *.zst) echo zstdcat ;;
    *) echo cat ;;
    esac
}

# Whether the loaded module is that of the image: 0 yes, 1 no, 2 nobody can tell.
is_of_image() {
    loaded=$(srcversion "$1")
    wanted=$(modinfo -b "$dir" -k "$kernel" -F srcversion "$1" 2>/dev/null)
    if [ -n "$loaded" ] && [ -n "$wanted" ]; then
        [ "$loaded" = "$wanted" ]
        return
    fi
    loaded=$(build_id "$1")
    file=$(modinfo -b "$dir" -k "$kernel" -F filename "$1" 2>/dev/null)
    reader=$(reader_of "$file")
    [ -n "$loaded" ] && [ -r "$file" ] && command -v "$reader" >/dev/null || return 2
    "$reader" "$file" | bytes | grep -qF -e "$loaded"
}

# Every module that was not built in the kernel's tree has this taint.
is_out_of_tree() {
    case $(cat "$(in_sysfs "$1")/taint" 2>/dev/null) in
    *O*) return 0 ;;
    *) return 1 ;;
    esac
}

users_of() {
    place=$(in_sysfs "$1")
    # shellcheck disable=SC2012 # names of kernel modules
    holders=$(ls "$place/holders" 2>/dev/null | tr '\n' ' ')
    printf 'in use (%s references%s)' "$(cat "$place/refcnt" 2>/dev/null || printf unknown)" "${holders:+, by $holders}"
}

reversed() {
    result=
    for item in $1; do
        result=$item${result:+$newline$result}
    done
    printf '%s' "$result"
}

is_listed() {
    case "$newline$(in_kernel_form "$1")$newline" in
    *"$newline$(in_kernel_form "$2")$newline"*) return 0 ;;
    *) return 1 ;;
    esac
}

# -- load ----------------------------------------------------------------------------------------

remove_present() {
    # without the index of the node's own modules, which the image has not, rmmod still finds it
    modprobe -r "$1" || rmmod "$1" && return
    fail "module $1 cannot be unloaded: $(users_of "$1"); stop what uses it, this is tried again"
}

remove_in_tree() {
    for module in ${KMODGATE_REMOVE-}; do
        is_loaded "$module" || continue
        if is_listed "$modules" "$module" && { is_of_image "$module" || is_out_of_tree "$module"; }; then
            continue
        fi
        say "removing module $module of the kernel"
        remove_present "$module" || return
    done
}

# A module of that name that is not the image's: out-of-tree it is an earlier version of the driver, which goes.
replace_others() {
    for module in $modules; do
        is_built_in "$module" && { fail "module $module is built into kernel $kernel"; return; }
        is_loaded "$module" || continue
        is_of_image "$module"
        same=$?
        [ "$same" -ne 0 ] || continue
        is_out_of_tree "$module" || {
            fail "module $module is loaded, and it is not that of the image but the kernel's own:" \
                "name it in inTreeModulesToRemove, or keep the node from loading it"
            return
        }
        [ "$same" -eq 1 ] || continue
        say "module $module is loaded in another version: unloading that"
        remove_present "$module" || return
    done
}

copy_firmware() {
    [ -n "${KMODGATE_FIRMWARE-}" ] || return 0
    [ -d "$KMODGATE_FIRMWARE" ] || { fail "the image has no folder $KMODGATE_FIRMWARE (firmwarePath)"; return; }
    path=$sys/module/firmware_class/parameters/path
    now=$(cat "$path" 2>/dev/null)
    if [ -n "$now" ] && [ "$now" != "$KMODGATE_FIRMWARE_HOST" ]; then
        fail "the kernel looks for firmware in $now already, and not in $KMODGATE_FIRMWARE_HOST (firmwareHostPath)"
        return
    fi
    cp -R "$KMODGATE_FIRMWARE/." "$host_firmware/" || { fail "firmware cannot be copied to the node"; return; }
    printf '%s' "$KMODGATE_FIRMWARE_HOST" >"$path" || { fail "$path cannot be set"; return; }
}

load_one() {
    module=$1
    if is_loaded "$module"; then
        say "module $module is loaded already"
        return
    fi
    set --
    [ "$module" = "${modules%%"$newline"*}" ] && for item in ${KMODGATE_PARAMETERS-}; do set -- "$@" "$item"; done
    # shellcheck disable=SC2086 # one argument a line, and file names are not expanded
    if ! modprobe -d "$dir" ${KMODGATE_LOAD_ARGS-} "$module" "$@"; then
        fail "modprobe could not load module $module from $dir for kernel $kernel"
        return
    fi
    is_loaded "$module" || { fail "modprobe loaded no module $module"; return; }
    loaded_here=$module${loaded_here:+$newline$loaded_here}
    is_of_image "$module"
    [ $? -ne 1 ] || { fail "module $module was loaded, and it is not that of the image"; return; }
    say "loaded module $module"
}

load_all() {
    if [ -n "$raw" ]; then
        # shellcheck disable=SC2086 # one argument a line, and file names are not expanded
        modprobe ${KMODGATE_LOAD_ARGS-} || { fail "modprobe failed (rawArgs.load)"; return; }
        loaded_here=rawArgs
        return
    fi
    [ -d "$dir/lib/modules/$kernel" ] || {
        fail "the image has no folder $dir/lib/modules/$kernel: it is not built for this kernel"
        return
    }
    for item_to_load in $(reversed "$modules"); do
        [ -z "$stopping" ] || return 0
        load_one "$item_to_load" || return
    done
}

remember() {
    for module in $modules; do
        identity "$module" >"$state/$module" || :
        is_of_image "$module"
        [ $? -ne 2 ] || say "module $module is loaded, not compared: it has no srcversion, and its build id says nothing"
    done
    : >"$state/loaded"
}

# Undoes what this run has loaded, so that no driver stays without a pod that would unload it.
undo() {
    for module in $loaded_here; do
        unload_one "$module" || say "$module stays loaded"
    done
}

wait_for_the_label() {
    say "the node runs kernel $(uname -r), this pod is for $kernel: it loads nothing, and goes once the label is right"
    while [ -z "$stopping" ]; do
        pause 5
    done
    exit 0
}

load() {
    trap 'stopping=yes' TERM INT
    [ "$(uname -r)" = "$kernel" ] || wait_for_the_label
    command -v modprobe >/dev/null || { say "the image has no modprobe: install kmod in it"; exit 127; }
    remove_in_tree && replace_others && copy_firmware && load_all
    if [ -n "$problem" ] || [ -n "$stopping" ]; then
        undo
        [ -n "$problem" ] || say "stopped while loading: what was loaded is unloaded again"
        exit 1
    fi
    remember
}

# -- hold, ready, wait ---------------------------------------------------------------------------

hold() {
    trap finish TERM INT
    say "holding $(printf '%s' "${modules:-what rawArgs loaded}" | tr '\n' ' ') on kernel $kernel"
    while :; do
        pause 3600
    done
}

ready() {
    [ -e "$state/loaded" ] || { fail "nothing is loaded yet"; return; }
    for module in $modules; do
        is_loaded "$module" || { fail "module $module is not loaded"; return; }
        [ "$(identity "$module")" = "$(cat "$state/$module")" ] || {
            fail "module $module is loaded, and it is another one than this pod has loaded"
            return
        }
    done
}

is_likely_of_image() {
    is_of_image "$1" || { [ $? -eq 2 ] && is_out_of_tree "$1"; }
}

await() {
    trap finish TERM INT
    for module in $modules; do
        until is_loaded "$module" && is_likely_of_image "$module"; do
            pause 2
        done
    done
}

# -- unload --------------------------------------------------------------------------------------

unload_one() {
    if [ -n "$raw" ]; then
        # shellcheck disable=SC2086 # one argument a line, and file names are not expanded
        modprobe ${KMODGATE_UNLOAD_ARGS-}
    else
        # shellcheck disable=SC2086
        modprobe -d "$dir" -r ${KMODGATE_UNLOAD_ARGS-} "$1"
    fi
}

# Tries again until a little before the kubelet kills the pod.
unload_in_time() {
    until unload_one "$1"; do
        if [ "$(date +%s)" -ge "$deadline" ]; then
            log_too "$1 stays loaded: $(users_of "$1")"
            return 1
        fi
        pause 2
    done
    log_too "unloaded $1"
}

remove_firmware() {
    [ -n "${KMODGATE_FIRMWARE-}" ] || return 0
    (cd "$KMODGATE_FIRMWARE" && find . -type f) | while IFS= read -r file; do
        rm -f "$host_firmware/$file"
    done
}

unload() {
    if [ "$(uname -r)" != "$kernel" ]; then
        log_too "the node runs another kernel than $kernel: nothing of this pod is loaded"
        return
    fi
    [ -e "$state/loaded" ] || { log_too "this pod has loaded nothing"; return; }
    deadline=$(($(date +%s) + ${KMODGATE_GRACE-30} - 5))
    if [ -n "$raw" ]; then
        unload_in_time rawArgs || return
    fi
    for item_to_unload in $modules; do
        is_loaded "$item_to_unload" || continue
        if [ "$(identity "$item_to_unload")" != "$(cat "$state/$item_to_unload")" ]; then
            log_too "module $item_to_unload is another one than this pod has loaded: it stays"
            continue
        fi
        unload_in_time "$item_to_unload" || return
    done
    remove_firmware
    rm -f "$state/loaded"
}

IFS=$newline
case ${1-} in
load) load ;;
hold) hold ;;
ready) ready ;;
unload) unload ;;
wait) await ;;
*)
    say "usage: kernel-module.sh load | hold | ready | unload | wait"
    exit 2
    ;;
esac
