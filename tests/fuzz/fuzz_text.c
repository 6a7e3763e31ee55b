/* What people and origins write: lines of the text dialect, URLs, Location and header fields. */
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "request_field.h"
#include "url.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    setlocale(LC_CTYPE, "C.UTF-8");
    return 0;
}

/* Whatever was taken must be pure and printable: it goes into a request as it is. */
static void check(const struct url *url)
{
    for (const char *c = url->text; *c; c++) {
        if (*c <= 0x20 || *c > 0x7e || *c == '\\')
            abort();
    }
    if (strncmp(url->text, "http", 4) != 0 && strncasecmp(url->text, "http", 4) != 0)
        abort();
    if (!url_host_agrees(url, wire_str_of(strstr(url->origin, "://") + 3)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct console_command command;
    struct wire_str text = {(const char *)bytes, length};
    struct wire_why why;
    struct url url, base;
    console_parse(&command, text.data, text.length);
    if (url_parse(&url, text, 4096, &why) == 0) {
        check(&url);
        url_finish(&url);
    }
    if (url_parse(&base, wire_str_of("https://a.example/b/c?d"), 4096, &why) < 0)
        abort();
    if (url_resolve(&url, &base, text, 4096, &why) == 0) {
        check(&url);
        url_finish(&url);
    }
    url_finish(&base);
    const char *colon = length ? memchr(bytes, ':', length) : NULL;
    if (colon) {
        struct wire_str name = {text.data, (size_t)(colon - text.data)};
        struct wire_str value = {colon + 1, length - name.length - 1};
        if (request_field_check(name, value, &why) == 0 &&
            (memchr(value.data, '\n', value.length) || memchr(value.data, '\r', value.length)))
            abort();
    }
    return 0;
}
