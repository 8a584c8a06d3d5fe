#compdef virtlxc
# Completion of virtlxc in zsh: the command itself knows what can come next.
# Put this file into a folder of $fpath as "_virtlxc".

_virtlxc() {
    local -a found
    found=(${(f)"$(virtlxc complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    compadd -a found || _files
}

_virtlxc "$@"
