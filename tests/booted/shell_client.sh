#!/bin/sh
# The same as steady.c in shell: a process for each request.
#
#     shell_client.sh BASE-URL UNTIL-FILE NAME
sent=0 failed=0
until [ -e "$2" ]; do
    sent=$((sent + 1))
    if [ $((sent % 2)) = 0 ]; then
        url=$1/GET/$3-$sent
        said=$(fetchpool -sSf -o /dev/null "$url" 2>&1) || said="exit code $?: $said"
    else
        url=$1/POST/$3-$sent
        said=$(fetchpool -sSf -o /dev/null -d "$url" "$url" 2>&1) || said="exit code $?: $said"
    fi
    if [ -n "$said" ]; then
        failed=$((failed + 1))
        echo "$url $said"
    fi
    sleep 0.05
done
echo "$sent $failed 0"
