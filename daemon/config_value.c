/* config_value: see config_value.h. */
#include "config_value.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first, as printing wants them. */
static const struct unit byte_units[] = {
    {"GiB", (uint64_t)1 << 30}, {"MiB", (uint64_t)1 << 20}, {"KiB", (uint64_t)1 << 10}, {"", 1}};
static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit count_units[] = {{"", 1}};

bool config_value_boolean(const char *text, bool *out_boolean)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out_boolean = i % 2;
            return true;
        }
    }
    return false;
}

/* Digits only: no sign, no space, no octal. Returns what follows them, or NULL. */
static const char *read_digits(const char *text, uint64_t *out_number)
{
    uint64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return NULL;
    }
    if (at == text)
        return NULL;
    *out_number = number;
    return at;
}

static bool read_with_unit(const char *text, const struct unit *units, size_t count,
                           uint64_t *out_number)
{
    uint64_t number;
    const char *suffix = read_digits(text, &number);
    if (!suffix)
        return false;
    while (*suffix == ' ')
        suffix++;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(suffix, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(number, units[i].factor, &number))
            return false;
        *out_number = number;
        return true;
    }
    return false;
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

bool config_value_count(const char *text, uint64_t *out_count)
{
    return read_with_unit(text, count_units, COUNT(count_units), out_count);
}

bool config_value_bytes(const char *text, uint64_t *out_bytes)
{
    return read_with_unit(text, byte_units, COUNT(byte_units), out_bytes);
}

bool config_value_duration(const char *text, uint64_t *out_ms)
{
    if (strcmp(text, "0") == 0) {
        *out_ms = 0;
        return true;
    }
    return read_with_unit(text, duration_units, COUNT(duration_units), out_ms);
}

/* As libcurl reads it: one that was cut off in the middle of a certificate will not do. */
bool config_value_is_pem_file(const char *path)
{
    X509_STORE *store = X509_STORE_new();
    bool is_usable = store && X509_STORE_load_file(store, path) == 1;
    X509_STORE_free(store);
    ERR_clear_error(); /* it is the thread's, and libcurl looks at it */
    return is_usable;
}

bool config_value_is_proxy(const char *url)
{
    static const char *const schemes[] = {"http://", "https://", "socks5h://"};
    for (size_t i = 0; i < COUNT(schemes); i++) {
        size_t length = strlen(schemes[i]);
        if (strncmp(url, schemes[i], length) == 0 && url[length])
            return true;
    }
    return false;
}

bool config_value_is_origin(const char *url)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < COUNT(schemes); i++) {
        size_t length = strlen(schemes[i]);
        if (strncasecmp(url, schemes[i], length) == 0)
            return url[length] && !strpbrk(url + length, "/?#@\\ \t");
    }
    return false;
}

bool config_value_is_path(const char *path)
{
    if (*path != '/')
        return false;
    for (; *path; path++) {
        if (*path <= ' ' || *path == '#' || *path == '\\' || *path == 0x7f)
            return false; /* bytes beyond ASCII are negative, or the URL's parser encodes them */
    }
    return true;
}

void config_value_print(char *out_text, size_t size, bool is_bytes, bool is_duration,
                        uint64_t number)
{
    const struct unit *unit = is_bytes ? byte_units : is_duration ? duration_units : count_units;
    while (unit->factor > 1 && (number == 0 || number % unit->factor != 0))
        unit++;
    snprintf(out_text, size, "%llu%s", (unsigned long long)(number / unit->factor), unit->name);
}
