# Completion of virtlxc in fish: the command itself knows what can come next.
# Put this file into ~/.config/fish/completions/ as "virtlxc.fish".

function __virtlxc_complete
    set -l words (commandline -opc) (commandline -ct)
    virtlxc complete -- $words[2..-1] 2>/dev/null
end

complete -c virtlxc -a "(__virtlxc_complete)"
