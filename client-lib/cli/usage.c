/* usage: see usage.h. fetchpool(1) says the same at more length. */
#include "usage.h"

#include <stdarg.h>
#include <stdio.h>

#include "exitcode.h"

const char usage_text[] =
    "Usage: fetchpool [options] URL...\n"
    "       fetchpool ping | stats | connections | origins | clients [--json] [--socket PATH]\n"
    "       fetchpool config | reload | drain [--json] [--socket PATH]\n"
    "       fetchpool check [-X METHOD] [-k] [-x PROXY] [--json] URL\n"
    "       fetchpool top [--interval SECONDS] [--count N] [--socket PATH]\n"
    "       fetchpool decode [--full] [FILE...]\n"
    "\n"
    "Fetches URLs over the connections that fetchpoold keeps open. The options are curl's:\n"
    "\n"
    "  -X, --request METHOD       the method, if not GET, POST with data, PUT with -T, HEAD with "
    "-I\n"
    "  -H, --header LINE          \"Name: value\"; \"Name:\" drops a default; @FILE reads lines\n"
    "  -d, --data DATA            send it, as a form; @FILE or @- reads it, without line ends\n"
    "      --data-binary DATA     as -d, a file as it is\n"
    "      --data-raw DATA        as -d, @ means nothing\n"
    "  -T, --upload-file FILE     send it with PUT while it is read; -: standard input;\n"
    "                             the n-th is the n-th URL's, and names it if it ends in /\n"
    "  -o, --output FILE          write the body there; the n-th is the n-th URL's\n"
    "  -O, --remote-name          ... to a file named like the end of the URL\n"
    "  -i, --include              show the head before the body\n"
    "  -I, --head                 ask for the head only, and show it\n"
    "  -s, --silent               say nothing about errors, show no progress\n"
    "  -S, --show-error           ... but do, with -s\n"
    "      --no-progress-meter    show no progress\n"
    "  -N, --no-buffer            as always: what comes is shown at once\n"
    "  -f, --fail                 exit with 22 for a status of 400 or more, without its body\n"
    "  -m, --max-time SECONDS     for the whole request\n"
    "      --connect-timeout SECONDS\n"
    "  -L, --location             follow redirects\n"
    "      --max-redirs COUNT     at most so many (50); -1: any\n"
    "      --max-filesize BYTES   no longer body than this; k, M, G are powers of 1024\n"
    "      --compressed           ask for a compressed answer and decompress it\n"
    "  -A, --user-agent NAME      \"\" sends none\n"
    "  -e, --referer URL\n"
    "  -u, --user USER:PASSWORD   basic authentication\n"
    "      --http1.1, --http2     this version of HTTP\n"
    "      --http2-prior-knowledge  HTTP/2 or an error\n"
    "      --cacert FILE          trust these authorities only (PEM)\n"
    "  -E, --cert FILE            a client certificate (PEM), with its key unless --key has it\n"
    "      --key FILE\n"
    "  -k, --insecure             accept any certificate, where the daemon allows it\n"
    "  -x, --proxy URL            go through this proxy, where the daemon allows it\n"
    "  -w, --write-out FORMAT     print this afterwards: curl's %{variables}, and "
    "%{connection_id},\n"
    "                             %{reused}, %{connection_requests}, %{connection_age}\n"
    "      --json                 a report, or what check says, as JSON\n"
    "      --full                 decode: show texts and bytes whole\n"
    "      --interval SECONDS     between two looks of top (1)\n"
    "      --count N              so many of them, then the end\n"
    "      --socket PATH          the daemon's socket\n"
    "  -V, --version\n"
    "  -h, --help\n"
    "\n"
    "Exit codes are curl's; 120: no daemon, 121: denied by it, 122: it could not serve the "
    "request,\n"
    "123: its socket is another user's.\n";

int usage_wrong(const char *format, ...)
{
    va_list values;
    fputs("fetchpool: ", stderr);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    return usage_wrong_as_said();
}

int usage_wrong_as_said(void)
{
    fputs("fetchpool: try 'fetchpool --help' for more information\n", stderr);
    return EXIT_CODE_USAGE;
}
