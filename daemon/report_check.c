/* report_check: what a policy says of a request, and of each address that it could go to. */
#include "report_internal.h"

#include <string.h>

static const char *answer_name(enum policy_answer answer)
{
    switch (answer) {
    case POLICY_ALLOWED:
        break;
    case POLICY_REPORTED:
        return "reported";
    case POLICY_DENIED:
        return "denied";
    }
    return "allowed";
}

/* The verdict's, without the name of the policy before it. */
static const char *rule_of(const struct policy_verdict *verdict)
{
    const char *behind = strstr(verdict->rule, "\": ");
    if (verdict->answer == POLICY_ALLOWED)
        return "";
    return behind ? behind + 3 : verdict->rule;
}

/* It stands beside it already. */
static struct policy_verdict without_address(const struct policy_verdict *verdict)
{
    struct policy_verdict shorter = *verdict;
    shorter.rule[shorter.topic_length] = '\0';
    return shorter;
}

static void put_verdict(struct buffer *out, const struct policy_verdict *verdict)
{
    report_put_text(out, "verdict", answer_name(verdict->answer));
    report_put_text(out, "rule", rule_of(verdict));
}

/* Any address that is allowed will do. */
static struct policy_verdict sum_up(const struct fetch_check *check)
{
    const struct policy_verdict *best = NULL;
    for (size_t i = 0; i < check->count; i++) {
        const struct policy_verdict *verdict = &check->addresses[i].verdict;
        if (!best || verdict->answer < best->answer)
            best = verdict;
    }
    return best && best->answer > check->verdict.answer ? *best : check->verdict;
}

/* As the name server says it. */
static void print_address(char *out_text, size_t size, const struct network_address *address)
{
    struct network_address outer;
    bool has_outer = network_address_outer(&outer, address);
    network_address_print(out_text, size, has_outer ? &outer : address);
}

void report_check(struct buffer *out, const struct fetch_check *check, const char *policy)
{
    struct policy_verdict sum = sum_up(check);
    wire_put_map(out, 4);
    put_verdict(out, &sum);
    report_put_text(out, "policy", policy);
    wire_put_text(out, "addresses");
    wire_put_array(out, check->count);
    for (size_t i = 0; i < check->count; i++) {
        char text[NETWORK_TEXT_BYTES];
        print_address(text, sizeof text, &check->addresses[i].address);
        struct policy_verdict verdict = without_address(&check->addresses[i].verdict);
        wire_put_map(out, 3);
        report_put_text(out, "address", text);
        put_verdict(out, &verdict);
    }
}

static void append_verdict(struct buffer *out, const struct policy_verdict *verdict)
{
    const char *rule = rule_of(verdict);
    buffer_append_format(out, *rule ? "%s: %s" : "%s", answer_name(verdict->answer), rule);
}

void report_check_text(struct buffer *out, const struct fetch_check *check, const char *policy)
{
    struct policy_verdict sum = sum_up(check);
    buffer_append_format(out, "policy \"%s\": ", policy);
    append_verdict(out, &sum);
    buffer_append_text(out, "\n");
    for (size_t i = 0; i < check->count; i++) {
        char text[NETWORK_TEXT_BYTES];
        print_address(text, sizeof text, &check->addresses[i].address);
        struct policy_verdict verdict = without_address(&check->addresses[i].verdict);
        buffer_append_format(out, "%s ", text);
        append_verdict(out, &verdict);
        buffer_append_text(out, "\n");
    }
}
