# What Pacemaker's agent for virtual domains does, with its command lines: ACTION DOMAIN CONFIG.
# Exit status as OCF's: 0 it runs (or was done), 7 it does not, 1 an error.
action=$1 name=$2 config=$3
ask() { virsh --connect=lxc:///system --quiet "$@"; }

# Without the daemon the agent looks for the emulator's process.
by_process() {
    emulator=$(sed -n -e 's/^.*<emulator>\(.*\)<\/emulator>.*$/\1/p' "$config")
    [ "$(basename "$emulator")" = libvirt_lxc ] || exit 1
    ps awx | grep -E "[l]ibvirt_lxc.*-name ($name|[^ ]*guest=$name(,[^ ]*)?) " >/dev/null || return 7
}

monitor() {
    state=$(LANG=C ask domstate "$name" 2>"$config.err" | tr 'A-Z' 'a-z')
    case $state in
    "" | "no state") grep -q "failed to get domain\|no domain" "$config.err" && return 7
        by_process ;;
    running | paused | idle | blocked | "in shutdown") return 0 ;;
    "shut off") return 7 ;;
    *) return 1 ;;
    esac
}

case $action in
start) monitor && exit 0
    ask create "$config" >/dev/null && monitor ;;
stop) monitor || exit 0
    ask shutdown "$name" >/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10; do monitor || exit 0; sleep 0.5; done
    ask destroy "$name" >/dev/null ;;
monitor) monitor ;;
esac
