/* request_terms: on what terms a request is made, so that only those with the same share a
 * connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "request.h"
#include "request_field.h"

bool request_has_identity(const struct request *request)
{
    return request->tls_cert || (request->is_proxy_clients && strchr(request->proxy, '@'));
}

bool request_binds_connection(const struct request *request)
{
    const struct wire_field *fields = field_list_fields(&request->fields);
    for (size_t i = 0; i < request->fields.count; i++) {
        if (request_field_binds_connection(fields[i].name, fields[i].value))
            return true;
    }
    return false;
}

bool request_has_terms(const struct request *request)
{
    return request->is_proxy_clients || request->tls_ca || request->is_tls_unverified ||
           request->tls_server_name;
}

static bool digest_text(EVP_MD_CTX *context, const char *text)
{
    return EVP_DigestUpdate(context, text ? text : "", text ? strlen(text) + 1 : 1) == 1;
}

/* The salt comes first, and no part holds a NUL, so that no two differ and read the same. */
int request_identity(const struct request *request, const uint8_t salt[REQUEST_SALT_BYTES],
                     char out_text[REQUEST_IDENTITY_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_done = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
                   EVP_DigestUpdate(context, salt, REQUEST_SALT_BYTES) == 1 &&
                   digest_text(context, request->tls_cert) &&
                   digest_text(context, request->tls_key) &&
                   digest_text(context, request->is_proxy_clients ? request->proxy : NULL) &&
                   EVP_DigestFinal_ex(context, digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    for (size_t i = 0; is_done && i < (REQUEST_IDENTITY_BYTES - 1) / 2; i++)
        snprintf(out_text + 2 * i, 3, "%02x", digest[i]);
    return is_done ? 0 : FETCHPOOL_BUSY;
}

struct policy_request request_question(const struct request *request)
{
    const char *authority = strstr(request->url.text, "://") + 3;
    return (struct policy_request){
        .url =
            {
                .is_tls = request->url.is_tls,
                .host = request->url.host,
                .port = request->url.port,
                .path = authority + strcspn(authority, "/?#"),
                .method = request->method,
            },
        .server_name = request->tls_server_name,
        .is_tls_unverified = request->is_tls_unverified,
        .proxy_scheme = request->is_proxy_clients ? request->proxy_scheme : NULL,
        .proxy_host = request->proxy_host,
        .proxy_port = request->proxy_port,
    };
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

int request_terms(const struct request *request, char **out_terms)
{
    char *terms = NULL;
    if (request_has_terms(request) &&
        asprintf(&terms, "%s\n%s %s %u\n%s\n%s", request->is_tls_unverified ? "any" : "verified",
                 or_empty(request->proxy_scheme), or_empty(request->proxy_host),
                 (unsigned)request->proxy_port, or_empty(request->tls_server_name),
                 or_empty(request->tls_ca)) < 0)
        return FETCHPOOL_BUSY;
    *out_terms = terms;
    return 0;
}
