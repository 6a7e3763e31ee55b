/*
 * fetch_policy: what the policy of a fetch's user has to say of it: whether a hop may be made, to
 * which addresses, over whose connections, and with which of the daemon's credentials.
 */
#include "fetch_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Verdicts ------------------------------------------------------------------------------- */

static void tell(struct fetch *fetch, const struct policy_verdict *verdict)
{
    if (fetch->check)
        return; /* nothing of what it asks about is done */
    fetch->events->on_verdict(fetch->ctx, fetch->request, verdict);
}

/* Once for each hop, however many addresses and connections it is about. */
static void report(struct fetch *fetch, const struct policy_verdict *verdict)
{
    if (!fetch->was_reported)
        tell(fetch, verdict);
    fetch->was_reported = true;
}

/* The client may not know of the redirect that led here. */
static void explain(const struct fetch *fetch, const struct policy_verdict *verdict,
                    struct wire_why *out_why)
{
    if (fetch->redirects > 0)
        wire_why_set(out_why, "redirect to %s: denied by %s", fetch->request->url.origin,
                     verdict->rule);
    else
        wire_why_set(out_why, "denied by %s", verdict->rule);
}

int fetch_ask_policy(struct fetch *fetch, struct wire_why *why)
{
    struct policy_verdict verdict;
    if (!fetch->policy)
        return 0;
    struct policy_request question = request_question(fetch->request);
    enum policy_answer answer = policy_ask_request(fetch->policy, &question, &verdict);
    if (fetch->check)
        fetch->check->verdict = verdict;
    switch (answer) {
    case POLICY_ALLOWED:
        break;
    case POLICY_REPORTED:
        report(fetch, &verdict);
        break;
    case POLICY_DENIED:
        tell(fetch, &verdict);
        explain(fetch, &verdict, why);
        return FETCHPOOL_DENIED;
    }
    return 0;
}

void fetch_set_policy(struct fetch *fetch, const struct config_policy *policy)
{
    if (!fetch->policy)
        return;
    fetch->policy = policy;
    fetch->ticket.policy = policy;
}

bool fetch_ask_again(struct fetch *fetch)
{
    struct wire_why why;
    bool is_open = fetch->state == FETCH_QUEUED && !fetch->was_sent && !fetch->check;
    int code = is_open ? fetch_ask_policy(fetch, &why) : 0;
    if (code != 0)
        fetch_fail(fetch, code, why.text);
    return code != 0;
}

/* ---- Addresses ------------------------------------------------------------------------------ */

/* One that only asks may go nowhere. */
static void note_checked(struct fetch_check *check, const struct network_address *address,
                         const struct policy_verdict *verdict)
{
    for (size_t i = 0; i < check->count; i++) {
        if (memcmp(&check->addresses[i].address, address, sizeof *address) == 0)
            return;
    }
    if (check->count == FETCH_MOST_CHECKED)
        return;
    check->addresses[check->count].address = *address;
    check->addresses[check->count++].verdict = *verdict;
}

/* Through the configuration's proxy, the address is the proxy's, which nobody chose. */
static bool may_reach(void *ctx, const struct network_address *address, bool is_opening)
{
    struct fetch *fetch = ctx;
    struct policy_verdict verdict;
    if (fetch->request->proxy && !fetch->request->is_proxy_clients)
        return !fetch->check;
    enum policy_answer answer = policy_ask_address(fetch->policy, address, &verdict);
    if (fetch->check) {
        note_checked(fetch->check, address, &verdict);
        return false;
    }
    switch (answer) {
    case POLICY_ALLOWED:
        return true;
    case POLICY_REPORTED:
        report(fetch, &verdict);
        return true;
    case POLICY_DENIED:
        break;
    }
    if (is_opening)
        fetch->denied_address = *address;
    return false;
}

void fetch_explain_denial(struct fetch *fetch, struct wire_why *out_why)
{
    struct policy_verdict verdict;
    if (policy_ask_address(fetch->policy, &fetch->denied_address, &verdict) != POLICY_DENIED)
        verdict = (struct policy_verdict){POLICY_DENIED, "a policy that has changed meanwhile", 0};
    tell(fetch, &verdict);
    explain(fetch, &verdict, out_why);
}

int fetch_policy_init(struct fetch *fetch, const struct fetch_client *client)
{
    fetch->policy = client->policy;
    fetch->guard = (struct pool_guard){.may_reach = may_reach, .ctx = fetch};
    fetch->check = client->only_asks ? calloc(1, sizeof *fetch->check) : NULL;
    return client->only_asks && !fetch->check ? -ENOMEM : 0;
}

void fetch_finish_check(struct fetch *fetch)
{
    struct fetch_outcome outcome = {
        .message = "",
        .check = fetch->check,
        .request = fetch->request,
        .total_us = (uv_hrtime() - fetch->started_ns) / NS_PER_US,
    };
    fetch_end(fetch, &outcome);
}

/* ---- Connections ---------------------------------------------------------------------------- */

int fetch_set_partition(struct fetch *fetch)
{
    char identity[REQUEST_IDENTITY_BYTES] = "";
    bool is_isolated = fetch->policy && fetch->policy->is_isolated;
    bool has_identity = request_has_identity(fetch->request);
    char *partition = NULL;
    if (!is_isolated && !has_identity)
        return 0;
    if (has_identity && request_identity(fetch->request, fetch->context->salt, identity) != 0)
        return FETCHPOOL_BUSY;
    if (asprintf(&partition, "%lu %s", (unsigned long)fetch->flow.stall.group->uid, identity) < 0)
        return FETCHPOOL_BUSY;
    fetch->partition = partition;
    return 0;
}

/* ---- Credentials ---------------------------------------------------------------------------- */

/*
 * They go where the client asked them to go, and not where a redirect of another origin sent it;
 * not to whomever the client's own terms say to trust, who could be the client; and not where the
 * origin would send them back (RFC 9110, 9.3.8).
 */
const struct field_list *fetch_find_credential(const struct fetch *fetch)
{
    const struct request *request = fetch->request;
    if (!fetch->policy || fetch->has_left || request_has_terms(request) ||
        strcasecmp(request->method, "TRACE") == 0)
        return NULL;
    const struct field_list *fields = credential_find(fetch->context->credentials,
                                                      request->url.origin);
    if (!fields)
        return NULL; /* as most often: before more is asked */
    struct policy_request question = request_question(request);
    return policy_grants_credentials(fetch->policy, &question.url) ? fields : NULL;
}
