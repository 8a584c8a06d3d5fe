# Completion of virtlxc in bash: the command itself knows what can come next.
# Put this file into /usr/share/bash-completion/completions/ as "virtlxc".

_virtlxc() {
    local IFS=$'\n'
    # bash cuts words at = and :, which the command does not; file names are bash's own affair.
    COMPREPLY=($(virtlxc complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}

complete -o default -F _virtlxc virtlxc
