# Completion of the fetchpool command for bash: subcommands, options, and files where an option or
# decode takes one. It asks no daemon: what a Tab shows must not depend on one, nor wait for it.
# shellcheck shell=bash

# Of a fetch, and of what asks the daemon. A letter or word that takes a value ends in "=" here.
_fetchpool_options='-X= --request= -H= --header= -d= --data= --data-binary= --data-raw=
    -T= --upload-file= -o= --output= -O --remote-name -i --include -I --head -s --silent -S --show-error
    --no-progress-meter -N --no-buffer -f --fail -m= --max-time= --connect-timeout= -L --location
    --max-redirs= --max-filesize= --compressed -A= --user-agent= -e= --referer= -u= --user= --http1.1
    --http2 --http2-prior-knowledge --cacert= -E= --cert= --key= -k --insecure -x= --proxy=
    -w= --write-out= --socket='
_fetchpool_questions='-m= --max-time= -s --silent -S --show-error --json --socket='
_fetchpool_top='-m= --max-time= -s --silent -S --show-error --interval= --count= --socket='
_fetchpool_decode='-s --silent -S --show-error --json --full'
_fetchpool_always='-V --version -h --help'
_fetchpool_words='ping stats connections origins clients config reload drain check top decode'

# The options that may be given with a first word; of an empty one, all that there are.
_fetchpool_options_of() {
    case $1 in
        '') echo "$_fetchpool_options --json --full --interval= --count= $_fetchpool_always" ;;
        ping | stats | connections | origins | clients | config | reload | drain) echo "$_fetchpool_questions" ;;
        top) echo "$_fetchpool_top" ;;
        decode) echo "$_fetchpool_decode" ;;
        check) echo "$_fetchpool_options --json" ;;
        *) echo "$_fetchpool_options" ;;
    esac
}

# _fetchpool_valued WORD: prints the option in it whose value is the next word, if there is one. Of
# letters in one word, the first that takes a value has what stands behind it.
_fetchpool_valued() {
    local options i
    options=" $(_fetchpool_options_of '' | tr -s '[:space:]' ' ') "
    if [[ $1 == --* ]]; then
        [[ $options != *" $1= "* ]] || echo "$1"
        return
    fi
    for ((i = 1; i < ${#1}; i++)); do
        [[ $options == *" -${1:i:1}= "* ]] || continue
        ((i + 1 < ${#1})) || echo "-${1:i:1}"
        return
    done
}

# The first word that is no option, before the one that is being completed.
_fetchpool_first_word() {
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --) echo "${COMP_WORDS[i + 1]}" && return ;;
            -?*)
                [[ -n $(_fetchpool_valued "${COMP_WORDS[i]}") ]] || continue
                i=$((i + 1))
                [[ ${COMP_WORDS[i]} != = ]] || i=$((i + 1))
                [[ ${COMP_WORDS[i]} != @ && ${COMP_WORDS[i]} != =@ ]] || i=$((i + 1))
                ;;
            *) echo "${COMP_WORDS[i]}" && return ;;
        esac
    done
}

# _fetchpool_files PREFIX BEGINNING: names behind a prefix that readline takes for part of them.
_fetchpool_files() {
    mapfile -t COMPREPLY < <(compgen -P "$1" -f -- "$2")
    compopt -o filenames 2>/dev/null
    if [[ ${#COMPREPLY[@]} == 1 && -n $1 && -d ${COMPREPLY[0]#"$1"} ]]; then
        COMPREPLY[0]+=/
        compopt -o nospace 2>/dev/null
    fi
}

# _fetchpool_value OPTION PREFIX BEGINNING: what may follow an option; PREFIX is @ or nothing.
_fetchpool_value() {
    case $1 in
        -o | --output | -T | --upload-file | -E | --cert | --key | --cacert | --socket) _fetchpool_files '' "$3" ;;
        -d | --data | --data-binary | -H | --header | -w | --write-out) [[ -z $2 ]] || _fetchpool_files "$2" "$3" ;;
        -X | --request)
            mapfile -t COMPREPLY < <(compgen -W 'GET HEAD POST PUT PATCH DELETE OPTIONS' -- "$3") ;;
    esac
}

# Readline breaks words at "=" and, depending on its settings, at "@"; of the latter it says all the
# same that it is the beginning of the word, in $2.
_fetchpool() {
    local word=$2 at=$COMP_CWORD prefix='' option='' first
    COMPREPLY=()
    word=${word#\\} # which it has put there itself, where it completed this word before
    if [[ $word == @* ]]; then
        word=${word#@} prefix=@
        [[ ${COMP_WORDS[at]} == *@* ]] || at=$((at - 1))
    fi
    local before=${COMP_WORDS[at - 1]}
    [[ $before == '=' ]] && before=${COMP_WORDS[at - 2]}
    [[ $before == -?* ]] && option=$(_fetchpool_valued "$before")
    if [[ -n $option ]]; then
        _fetchpool_value "$option" "$prefix" "$word"
        return
    fi
    first=$(_fetchpool_first_word)
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_fetchpool_options_of "$first" | tr -d =)" -- "$word")
    elif [[ -z $first ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$_fetchpool_words" -- "$word")
    elif [[ $first == decode ]]; then
        _fetchpool_files '' "$word"
    fi
}

complete -F _fetchpool fetchpool
