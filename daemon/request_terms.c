/* request_terms: on what terms a request is made, so that only those with the same share a
 * connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"

bool request_has_identity(const struct request *request)
{
    return request->tls_cert || (request->is_proxy_clients && strchr(request->proxy, '@'));
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

int request_terms(const struct request *request, char **out_terms)
{
    char *terms = NULL;
    bool has_own = request->is_proxy_clients || request->tls_ca || request->is_tls_unverified ||
                   request->tls_server_name;
    if (has_own &&
        asprintf(&terms, "%s\n%s\n%s\n%s", request->is_tls_unverified ? "any" : "verified",
                 request->is_proxy_clients ? request->proxy : "",
                 or_empty(request->tls_server_name), or_empty(request->tls_ca)) < 0)
        return FETCHPOOL_BUSY;
    *out_terms = terms;
    return 0;
}
