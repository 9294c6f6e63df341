#compdef vqld vqlctl vqlbench vql-train
# zsh completion: the options that the program, or its command, tells of by --help; else files.

_vql()
{
    local program=$words[1] word command=()
    for word in ${words[2,CURRENT-1]}; do
        case ${program:t}:$word in
            vqlctl:[a-z]* | vql-train:(evaluate|generate)) command=($word); break ;;
        esac
    done
    if [[ $words[CURRENT] == -* ]]; then
        compadd -- ${(f)"$($program $command --help 2> /dev/null |
            sed -n 's/^  \(--[a-z0-9-]*\).*/\1/p' | sort -u)"}
    elif [[ ${program:t} == vqlctl && -z $command ]]; then
        compadd -- ${(f)"$($program --help | sed -n 's/^  \([a-z][a-z]*\).*/\1/p')"}
    else
        _files
    fi
}

_vql "$@"
