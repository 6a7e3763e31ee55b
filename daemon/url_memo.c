/* url_memo: see url_memo.h. */
#include "url_memo.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Longer ones are parsed each time: with them, a user could have much remembered. */
#define MOST_AUTHORITY_BYTES 300

struct url_known {
    struct url url; /* its text is the scheme and the authority alone, as it was written */
    size_t length;  /* of that */
};

/* ---- Texts ---------------------------------------------------------------------------------- */

/* RFC 3986, 3.3 and 3.4, without the percent sign: libcurl has no reason to write them otherwise.
 */
static bool is_plain(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte && strchr("/-._~!$&'()*+,;=:@?", byte));
}

/* Of the scheme and the authority, where a path follows and is plain; 0: it is another kind. */
static size_t authority_length(struct wire_str text)
{
    const char *slashes = memchr(text.data, ':', text.length < 6 ? text.length : 6);
    size_t begin = slashes ? (size_t)(slashes - text.data) + 3 : text.length;
    if (begin >= text.length || memcmp(slashes, "://", 3) != 0)
        return 0;
    const char *path = memchr(text.data + begin, '/', text.length - begin);
    if (!path)
        return 0;
    for (const char *c = path; c < text.data + text.length; c++) {
        if (!is_plain(*c))
            return 0;
    }
    size_t length = (size_t)(path - text.data);
    /* A question mark or a fragment would be where the authority ends. */
    bool is_whole = !memchr(text.data, '?', length) && !memchr(text.data, '#', length);
    return is_whole && length <= MOST_AUTHORITY_BYTES ? length : 0;
}

/* FNV-1a. Who makes two authorities share a place only makes his own requests slower. */
static size_t place_of(const char *text, size_t length)
{
    uint32_t hash = 2166136261;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619;
    return (hash ^ (hash >> 16)) % URL_MEMO_PLACES;
}

static bool is_same(const struct url_known *known, const char *text, size_t length)
{
    return known && known->length == length && memcmp(known->url.text, text, length) == 0;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static void destroy(struct url_known *known)
{
    if (known)
        url_finish(&known->url);
    free(known);
}

void url_memo_finish(struct url_memo *memo)
{
    for (size_t i = 0; i < URL_MEMO_PLACES; i++)
        destroy(memo->places[i]);
    *memo = (struct url_memo){0};
}

/* ---- Use ------------------------------------------------------------------------------------ */

static bool find(const struct url_memo *memo, struct wire_str text, struct url *out_url)
{
    size_t length = authority_length(text);
    if (length == 0)
        return false;
    const struct url_known *known = memo->places[place_of(text.data, length)];
    return is_same(known, text.data, length) && url_copy(out_url, &known->url, text) == 0;
}

/* Only what the parser left as it was: then the authority alone is what it made of it. */
static void note(struct url_memo *memo, struct wire_str text, const struct url *url)
{
    size_t length = authority_length(text);
    if (length == 0 || !wire_str_is(text, url->text))
        return;
    struct url_known **place = &memo->places[place_of(text.data, length)];
    struct url_known *known = malloc(sizeof *known);
    if (!known || url_copy(&known->url, url, (struct wire_str){text.data, length}) < 0) {
        free(known);
        return; /* it is parsed again */
    }
    known->length = length;
    destroy(*place);
    *place = known;
}

int url_memo_parse(struct url_memo *memo, struct url *out_url, struct wire_str text,
                   size_t max_bytes, struct wire_why *why)
{
    if (memo && text.length <= max_bytes && find(memo, text, out_url))
        return 0;
    int result = url_parse(out_url, text, max_bytes, why);
    if (memo && result == 0)
        note(memo, text, out_url);
    return result;
}
