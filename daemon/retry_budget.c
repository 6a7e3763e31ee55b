/* retry_budget: see retry_budget.h. */
#include "retry_budget.h"

#define HALF_MS (RETRY_BUDGET_WINDOW_MS / 2)

/* After a whole window without a call, what there was is too old, and a new half begins now. */
static void move_window(struct retry_budget *budget, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - budget->half_began_ms;
    if (age_ms < HALF_MS)
        return;
    bool is_next = age_ms < RETRY_BUDGET_WINDOW_MS;
    budget->before = is_next ? budget->current : (struct retry_budget_half){0};
    budget->current = (struct retry_budget_half){0};
    budget->half_began_ms = is_next ? budget->half_began_ms + HALF_MS : now_ms;
}

void retry_budget_note_request(struct retry_budget *budget, uint64_t now_ms)
{
    move_window(budget, now_ms);
    budget->current.requests++;
}

bool retry_budget_take(struct retry_budget *budget, uint64_t percent, uint64_t now_ms)
{
    move_window(budget, now_ms);
    uint64_t requests = budget->current.requests + budget->before.requests;
    uint64_t share = requests * percent / 100;
    uint64_t most = share > RETRY_BUDGET_LEAST ? share : RETRY_BUDGET_LEAST;
    if (budget->current.retries + budget->before.retries >= most)
        return false;
    budget->current.retries++;
    return true;
}
