/*
 * request_redirect: what a redirect makes of a request (RFC 9110, 15.4): another URL, perhaps
 * another method; and what stays behind when it leads to another origin.
 */
#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "request_internal.h"

bool request_is_redirect(unsigned status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool request_redirect_loses_body(const struct request *request, unsigned status)
{
    if (status == 303)
        return strcmp(request->method, "HEAD") != 0;
    return (status == 301 || status == 302) && strcmp(request->method, "POST") == 0;
}

/* RFC 9110, 15.4: what described the body goes with it; credentials stay with their origin. */
static bool field_goes_along(const char *name, bool loses_body, bool leaves_origin)
{
    if (loses_body && strncasecmp(name, "Content-", 8) == 0)
        return false;
    return !leaves_origin ||
           (strcasecmp(name, "Authorization") != 0 && strcasecmp(name, "Cookie") != 0);
}

static int fields_for_redirect(struct field_list *out_fields, const struct request *request,
                               bool loses_body, bool leaves_origin)
{
    field_list_init(out_fields, request->fields.text.limit);
    const struct wire_field *fields = field_list_fields(&request->fields);
    for (size_t i = 0; i < request->fields.count; i++) {
        if (!field_goes_along(fields[i].name.data, loses_body, leaves_origin))
            continue;
        int result = field_list_add(out_fields, fields[i].name, fields[i].value);
        if (result < 0) {
            field_list_finish(out_fields);
            return result;
        }
    }
    return 0;
}

static void become_get(struct request *request)
{
    strcpy(request->method, "GET");
    free(request->body);
    request->body = NULL;
    request->body_length = 0;
    request->has_upload = false;
}

/* The client's certificate and the name it asked for were meant for the origin it named. */
static void drop_identity(struct request *request)
{
    request_free_secret(request->tls_cert);
    request_free_secret(request->tls_key);
    free(request->tls_server_name);
    request->tls_cert = request->tls_key = request->tls_server_name = NULL;
}

int request_redirect(struct request *request, unsigned status, struct wire_str location,
                     const struct config *config, struct wire_why *why)
{
    struct url url;
    struct field_list fields;
    bool loses_body = request_redirect_loses_body(request, status);
    wire_why_set(why, "the daemon is out of memory");
    int result = url_resolve(&url, &request->url, location, config->max_url_bytes, why);
    if (result < 0)
        return request_code_of(result);
    bool leaves_origin = strcmp(url.origin, request->url.origin) != 0;
    result = fields_for_redirect(&fields, request, loses_body, leaves_origin);
    if (result < 0) {
        url_finish(&url);
        return request_code_of(result);
    }
    url_finish(&request->url);
    request->url = url;
    field_list_finish(&request->fields);
    request->fields = fields;
    request->redirects_left--;
    if (loses_body)
        become_get(request);
    if (leaves_origin)
        drop_identity(request);
    return 0;
}
