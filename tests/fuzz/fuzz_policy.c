/*
 * Rules, networks and what they are asked about. The first byte chooses: a rule and a URL, a path
 * of a rule and one that is asked for, or a network and an address; a line each. Paths are compared
 * with a plain model of every reading that url_rule.h lists.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "url.h"
#include "url_rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* ---- The model: a path by one reading ------------------------------------------------------- */

#define MOST_BYTES 4096

enum {
    DOTS_ARE_RESOLVED = 1,
    SLASHES_ARE_MERGED = 2,
    PARAMETERS_ARE_CUT = 4,
    ENCODED_SLASHES_SPLIT = 8,
    BACKSLASHES_SPLIT = 16,
    NUL_IS_THE_END = 32,
    READINGS = 64
};

struct reading {
    char text[MOST_BYTES + 1];
    struct piece {
        size_t at, length;
    } pieces[MOST_BYTES + 1];
    size_t count;
};

static struct reading wanted, asked; /* too large for the stack */

static bool piece_is(const struct reading *reading, struct piece piece, const char *text)
{
    return piece.length == strlen(text) &&
           memcmp(reading->text + piece.at, text, piece.length) == 0;
}

static void push(struct reading *reading, size_t at, size_t end, unsigned how)
{
    struct piece piece = {at, end - at};
    const char *parameters = memchr(reading->text + at, ';', piece.length);
    if (parameters && (how & PARAMETERS_ARE_CUT))
        piece.length = (size_t)(parameters - reading->text) - at;
    if (piece.length == 0 && (how & SLASHES_ARE_MERGED))
        return;
    if ((how & DOTS_ARE_RESOLVED) && piece_is(reading, piece, "."))
        return;
    if ((how & DOTS_ARE_RESOLVED) && piece_is(reading, piece, ".."))
        reading->count -= reading->count > 0;
    else
        reading->pieces[reading->count++] = piece;
}

static char take_byte(const char **path, bool *out_is_encoded)
{
    char digits[3] = "";
    char *end = digits;
    if (**path == '%' && (*path)[1] && (*path)[2] && !strchr("+- \t\n\v\f\r", (*path)[1])) {
        memcpy(digits, *path + 1, 2);
        unsigned long value = strtoul(digits, &end, 16);
        /* strtoul() would take the x of 0x for a sign of the base */
        *out_is_encoded = end == digits + 2 && !strpbrk(digits, "xX");
        if (*out_is_encoded) {
            *path += 3;
            return (char)value;
        }
    }
    *out_is_encoded = false;
    return *(*path)++;
}

static void read_path(struct reading *reading, const char *path, unsigned how)
{
    size_t at = 0, begin = 0;
    reading->count = 0;
    path += *path == '/';
    while (*path && *path != '?' && *path != '#') {
        bool is_encoded;
        char byte = take_byte(&path, &is_encoded);
        if (byte == '\0' && (how & NUL_IS_THE_END))
            break;
        reading->text[at++] = byte;
        if ((byte == '/' && (!is_encoded || (how & ENCODED_SLASHES_SPLIT))) ||
            (byte == '\\' && (how & BACKSLASHES_SPLIT))) {
            push(reading, begin, at - 1, how);
            begin = at;
        }
    }
    push(reading, begin, at, how);
}

/* Is all of what is wanted, but for a slash at its end, at the beginning of what is asked for? */
static bool is_below(void)
{
    size_t count = wanted.count;
    if (count > 0 && wanted.pieces[count - 1].length == 0)
        count--;
    if (asked.count < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct piece one = wanted.pieces[i], other = asked.pieces[i];
        if (one.length != other.length ||
            memcmp(wanted.text + one.at, asked.text + other.at, one.length) != 0)
            return false;
    }
    return true;
}

/* ---- What is asked -------------------------------------------------------------------------- */

static bool is_found(const char *rule, enum url_rule_use use,
                     const struct url_rule_subject *subject, bool *out_is_rule)
{
    struct url_rule_list list = {0};
    char why[URL_RULE_WHY_BYTES] = "";
    *out_is_rule = url_rule_list_add(&list, rule, use, why) == 0;
    if (!*out_is_rule && (!why[0] || strlen(why) >= sizeof why))
        abort();
    bool is_one = url_rule_list_find(&list, subject);
    url_rule_list_find_proxy(&list, "socks5h", subject->host, subject->port);
    url_rule_list_finish(&list);
    return is_one;
}

/* What is allowed by a rule would be denied by the same one. */
static void ask_rule(const char *rule, const struct url_rule_subject *subject, bool *out_is_rule,
                     bool *out_is_allowed, bool *out_is_denied)
{
    bool is_other_rule;
    *out_is_allowed = is_found(rule, URL_RULE_ALLOWS, subject, out_is_rule);
    *out_is_denied = is_found(rule, URL_RULE_DENIES, subject, &is_other_rule);
    if (*out_is_rule != is_other_rule || (*out_is_allowed && !*out_is_denied))
        abort();
    is_found(rule, URL_RULE_ORIGIN, subject, &is_other_rule);
    is_found(rule, URL_RULE_PROXY, subject, &is_other_rule);
}

static void try_url(const char *rule, const char *text)
{
    struct url url;
    struct wire_why why;
    bool is_rule, is_allowed, is_denied;
    if (url_parse(&url, wire_str_of(text), MOST_BYTES, &why) != 0)
        return;
    const char *authority = strstr(url.text, "://") + 3;
    struct policy_request request = {.url = {.is_tls = url.is_tls,
                                             .host = url.host,
                                             .port = url.port,
                                             .path = authority + strcspn(authority, "/?"),
                                             .method = "GET"}};
    struct config_policy policy = {.name = "fuzz"};
    struct policy_verdict verdict;
    policy_ask_request(&policy, &request, &verdict);
    ask_rule(rule, &request.url, &is_rule, &is_allowed, &is_denied);
    url_finish(&url);
}

static void try_path(const char *prefix, const char *path)
{
    char rule[MOST_BYTES + 16] = "http://a";
    struct url_rule_subject subject = {.host = "a", .port = 80, .path = path};
    bool is_rule, is_allowed, is_denied;
    if (*prefix != '/' || strpbrk(prefix, " \t"))
        return;
    strcat(rule, prefix);
    ask_rule(rule, &subject, &is_rule, &is_allowed, &is_denied);
    if (!is_rule)
        return;
    read_path(&wanted, prefix, 0);
    for (unsigned how = 0; how < READINGS; how++) {
        read_path(&asked, path, how);
        bool is_there = is_below();
        if ((is_there && !is_denied) || (!is_there && is_allowed))
            abort();
    }
}

/* What was printed is read as the same again. */
static void try_network(const char *network_text, const char *address_text)
{
    struct network network, again;
    struct network_address address, outer;
    struct policy_verdict verdict;
    struct config_policy policy = {.name = "fuzz"};
    char text[NETWORK_TEXT_BYTES];
    bool is_network = network_parse(&network, network_text);
    if (is_network) {
        network_print(text, sizeof text, &network);
        if (!network_parse(&again, text) || memcmp(&again, &network, sizeof network) != 0)
            abort();
    }
    if (!network_address_parse(&address, address_text))
        return;
    policy_ask_address(&policy, &address, &verdict);
    network_address_print(text, sizeof text, &address);
    if (!network_parse(&again, text) || memcmp(again.first.bytes, address.bytes, 16) != 0)
        abort();
    struct network_list list = {.items = &network, .count = is_network};
    network_list_find(&list, &address);
    if (network_address_outer(&outer, &address) && network_address_outer(&outer, &outer))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char lines[MOST_BYTES + 1];
    if (length < 1 || length > MOST_BYTES)
        return 0;
    memcpy(lines, bytes + 1, length - 1);
    lines[length - 1] = '\0';
    char *second = strchr(lines, '\n');
    if (!second)
        return 0;
    *second++ = '\0';
    switch (bytes[0]) {
    case 'u':
        try_url(lines, second);
        break;
    case 'p':
        try_path(lines, second);
        break;
    case 'n':
        try_network(lines, second);
        break;
    }
    return 0;
}
