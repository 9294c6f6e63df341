# bash completion of vqld, vqlctl, vqlbench and vql-train. What there is to offer is asked of the
# programs themselves, by --help, so that it is never other than what they take.

# _vql_help WORD...: the help of a program, or of its command.
_vql_help()
{
    "$@" --help 2> /dev/null < /dev/null
}

# _vql_options WORD...: its options, one a line.
_vql_options()
{
    _vql_help "$@" | sed -n 's/^  \(--[a-z0-9-]*\).*/\1/p' | sort -u
}

# _vql_values OPTION WORD...: what the option takes, for the ones that take one of a few words.
_vql_values()
{
    local option=$1
    shift
    _vql_help "$@" | awk -v option="$option" '
        $1 ~ /^--/ { here = $1 == option }
        here && $1 == option && $2 ~ /^[a-z]+(\|[a-z]+)+$/ { gsub(/\|/, "\n", $2); print $2 }
        here && /^      Takes [a-z0-9]+(, [a-z0-9]+)+[.;]/ {
            sub(/^ *Takes /, ""); sub(/[.;].*/, ""); gsub(/, /, "\n"); print
        }
        here && /^      Takes true or false/ { print "true\nfalse" }'
}

# _vql_command PROGRAM: the words that choose what the program does, of those typed so far.
_vql_command()
{
    local word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $1:$word in
            vqlctl:score | vqlctl:append | vqlctl:get | vqlctl:delete | vqlctl:models | \
            vqlctl:import | vqlctl:items | vqlctl:token | vqlctl:health | \
            vql-train:evaluate | vql-train:generate)
                echo "$word"
                return
                ;;
        esac
    done
}

# The commands of a program, one a line.
_vql_commands()
{
    case $1 in
        vqlctl) _vql_help "$2" | sed -n 's/^  \([a-z][a-z]*\).*/\1/p' ;;
        vql-train) _vql_help "$2" | sed -n 's/^ *[a-zA-Z:]* *vql-train \([a-z][a-z]*\).*/\1/p' ;;
    esac
}

_vql()
{
    local program=${1##*/} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command values
    command=$(_vql_command "$program")
    COMPREPLY=()
    if [[ $before == --* ]]; then
        values=$(_vql_values "$before" "$1" $command)
        if [[ $values ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
            return
        fi
    fi
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_vql_options "$1" $command)" -- "$word")
    elif [[ ! $command && $before != --* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_vql_commands "$program" "$1")" -- "$word")
    fi
}

complete -o default -F _vql vqld vqlctl vqlbench vql-train
