# Completion of fetchpoold for bash.
# shellcheck shell=bash

_fetchpoold() {
    local word=$2 before=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    [[ $before == '=' ]] && before=${COMP_WORDS[COMP_CWORD - 2]}
    case $before in
        --config | --socket)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            compopt -o filenames 2>/dev/null
            ;;
        --log-level) mapfile -t COMPREPLY < <(compgen -W 'error warning notice info debug' -- "$word") ;;
        *)
            mapfile -t COMPREPLY < <(compgen -W \
                '--config --socket --log-level --check --version --help' -- "$word")
            ;;
    esac
}

complete -F _fetchpoold fetchpoold
