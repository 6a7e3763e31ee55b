/* idle_limit: see idle_limit.h. */
#include "idle_limit.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define MARGIN_LEAST_MS 100
#define MARGIN_MOST_MS  1000

/* ---- What the origin says ------------------------------------------------------------------- */

struct slice {
    const char *begin, *end;
};

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static struct slice trim(struct slice text)
{
    while (text.begin < text.end && is_blank(*text.begin))
        text.begin++;
    while (text.begin < text.end && is_blank(text.end[-1]))
        text.end--;
    return text;
}

static struct slice unquote(struct slice text)
{
    if (text.end - text.begin >= 2 && *text.begin == '"' && text.end[-1] == '"')
        return (struct slice){text.begin + 1, text.end - 1};
    return text;
}

/* The comma that ends this parameter, or the text's end. Commas in quotes end nothing. */
static const char *find_end(const char *text)
{
    bool is_quoted = false;
    for (; *text && (is_quoted || *text != ','); text++) {
        if (is_quoted && *text == '\\' && text[1])
            text++;
        else if (*text == '"')
            is_quoted = !is_quoted;
    }
    return text;
}

static bool read_seconds(struct slice text, uint64_t *out_seconds)
{
    uint64_t seconds = 0;
    if (text.begin == text.end)
        return false;
    for (; text.begin < text.end; text.begin++) {
        if (*text.begin < '0' || *text.begin > '9')
            return false;
        seconds = seconds * 10 + (uint64_t)(*text.begin - '0');
        if (seconds > IDLE_LIMIT_MOST_SAID_S)
            return false;
    }
    *out_seconds = seconds;
    return true;
}

/* False if this parameter is another one, or nonsense. */
static bool read_timeout(struct slice parameter, uint64_t *out_seconds)
{
    static const char timeout[] = "timeout";
    size_t length = (size_t)(parameter.end - parameter.begin);
    const char *equals = memchr(parameter.begin, '=', length);
    if (!equals)
        return false;
    struct slice name = trim((struct slice){parameter.begin, equals});
    if ((size_t)(name.end - name.begin) != sizeof timeout - 1 ||
        strncasecmp(name.begin, timeout, sizeof timeout - 1) != 0)
        return false;
    return read_seconds(unquote(trim((struct slice){equals + 1, parameter.end})), out_seconds);
}

void idle_limit_note_field(struct idle_limit *limit, const char *keep_alive)
{
    uint64_t least_ms = IDLE_LIMIT_NONE;
    for (const char *at = keep_alive; at;) {
        const char *end = find_end(at);
        uint64_t seconds;
        if (read_timeout((struct slice){at, end}, &seconds)) {
            uint64_t said_ms = seconds ? seconds * 1000 : 1;
            least_ms = said_ms < least_ms ? said_ms : least_ms;
        }
        at = *end ? end + 1 : NULL;
    }
    if (least_ms != IDLE_LIMIT_NONE)
        limit->said_ms = least_ms;
}

/* ---- What it does --------------------------------------------------------------------------- */

static bool do_agree(uint64_t one_ms, uint64_t other_ms)
{
    uint64_t lesser_ms = one_ms < other_ms ? one_ms : other_ms;
    uint64_t greater_ms = one_ms < other_ms ? other_ms : one_ms;
    return greater_ms - lesser_ms <= greater_ms / 4;
}

/* What is believed now; IDLE_LIMIT_NONE if that is nothing. */
static uint64_t believed(const struct idle_limit *limit, uint64_t now_ms)
{
    if (!limit->learned_ms || now_ms - limit->learned_at_ms >= IDLE_LIMIT_BELIEVED_MS)
        return IDLE_LIMIT_NONE;
    return limit->learned_ms;
}

static void learn(struct idle_limit *limit, uint64_t learned_ms, uint64_t now_ms)
{
    limit->learned_ms = learned_ms;
    limit->learned_at_ms = now_ms;
}

/* Compares it with what is known, but for what closes together with the one before. */
static void learn_from(struct idle_limit *limit, uint64_t idle_ms, uint64_t now_ms)
{
    uint64_t believed_ms = believed(limit, now_ms);
    uint64_t apart_ms = now_ms - limit->seen_at_ms;
    if (apart_ms < IDLE_LIMIT_APART_MS)
        return;
    if (believed_ms != IDLE_LIMIT_NONE && do_agree(believed_ms, idle_ms)) {
        learn(limit, idle_ms < believed_ms ? idle_ms : believed_ms, now_ms);
        return;
    }
    if (!limit->seen_ms || apart_ms > IDLE_LIMIT_BELIEVED_MS || !do_agree(limit->seen_ms, idle_ms))
        return;
    uint64_t lesser_ms = idle_ms < limit->seen_ms ? idle_ms : limit->seen_ms;
    if (lesser_ms < believed_ms)
        learn(limit, lesser_ms, now_ms);
}

void idle_limit_note_close(struct idle_limit *limit, uint64_t idle_ms, uint64_t now_ms)
{
    if (idle_ms < IDLE_LIMIT_LEAST_MS)
        return;
    learn_from(limit, idle_ms, now_ms);
    limit->seen_ms = idle_ms;
    limit->seen_at_ms = now_ms;
}

/* ---- What holds ----------------------------------------------------------------------------- */

static uint64_t less_margin(uint64_t ms)
{
    uint64_t margin_ms = ms / 10;
    if (margin_ms < MARGIN_LEAST_MS)
        margin_ms = MARGIN_LEAST_MS;
    if (margin_ms > MARGIN_MOST_MS)
        margin_ms = MARGIN_MOST_MS;
    if (margin_ms > ms / 2)
        margin_ms = ms / 2;
    return ms - margin_ms;
}

uint64_t idle_limit_learned(const struct idle_limit *limit, uint64_t now_ms)
{
    uint64_t least_ms = believed(limit, now_ms);
    if (limit->said_ms && limit->said_ms < least_ms)
        least_ms = limit->said_ms;
    return least_ms == IDLE_LIMIT_NONE ? IDLE_LIMIT_NONE : less_margin(least_ms);
}

uint64_t idle_limit_get(const struct idle_limit *limit, uint64_t configured_ms, uint64_t now_ms)
{
    uint64_t learned_ms = idle_limit_learned(limit, now_ms);
    return learned_ms < configured_ms ? learned_ms : configured_ms;
}
