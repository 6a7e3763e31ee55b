/* breaker: see breaker.h. */
#include "breaker.h"

enum breaker_verdict breaker_ask(const struct breaker *breaker, uint64_t now_ms)
{
    switch (breaker->state) {
    case BREAKER_CLOSED:
        return BREAKER_GO;
    case BREAKER_OPEN:
        return now_ms < breaker->until_ms ? BREAKER_FAIL : BREAKER_GO;
    case BREAKER_TRYING:
        return BREAKER_WAIT;
    }
    return BREAKER_GO;
}

void breaker_note_attempt(struct breaker *breaker)
{
    if (breaker->state == BREAKER_OPEN)
        breaker->state = BREAKER_TRYING;
}

void breaker_note_success(struct breaker *breaker)
{
    *breaker = (struct breaker){.state = BREAKER_CLOSED};
}

/* Limits may have changed since the latest pause: the new ones hold. */
static uint64_t next_pause(uint64_t pause_ms, const struct breaker_limits *limits)
{
    if (pause_ms > limits->most_ms / 2)
        return limits->most_ms;
    uint64_t twice_ms = pause_ms * 2;
    uint64_t next_ms = twice_ms > limits->least_ms ? twice_ms : limits->least_ms;
    return next_ms < limits->most_ms ? next_ms : limits->most_ms;
}

void breaker_note_failure(struct breaker *breaker, const struct breaker_limits *limits,
                          uint64_t now_ms)
{
    if (limits->most_ms == 0) {
        *breaker = (struct breaker){.state = BREAKER_CLOSED};
        return;
    }
    breaker->failures++;
    if (breaker->state == BREAKER_OPEN)
        return; /* an attempt made before: together with others it would double the pause many times
                 */
    if (breaker->state == BREAKER_CLOSED && breaker->failures < BREAKER_PATIENCE)
        return;
    breaker->state = BREAKER_OPEN;
    breaker->pause_ms = next_pause(breaker->pause_ms, limits);
    breaker->until_ms = now_ms + breaker->pause_ms;
}

void breaker_note_abandoned(struct breaker *breaker, uint64_t now_ms)
{
    if (breaker->state != BREAKER_TRYING)
        return;
    breaker->state = BREAKER_OPEN;
    breaker->until_ms = now_ms;
}
