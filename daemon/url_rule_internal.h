/* url_rule_internal: the parts of a rule that are nouns of their own: its host and its path. */
#pragma once

#include "url_rule.h"

#include <netinet/in.h>

/* Writes the sentence. Returns -EINVAL. */
__attribute__((format(printf, 2, 3))) int url_rule_refuse(char *out_why, const char *format, ...);

/* ---- url_rule_host.c ------------------------------------------------------------------------ */

/* A host that is asked about, in the one form of it that patterns are compared with. */
struct url_rule_host {
    const char *text; /* borrowed, or the literal */
    size_t length;
    char literal[INET6_ADDRSTRLEN + sizeof "[]"];
    char inner[INET_ADDRSTRLEN]; /* the IPv4 address in a mapped one, or "" */
};

void url_rule_host_init(struct url_rule_host *host, const char *text);

/* Returns the pattern owned. 0, -EINVAL, -ENOMEM. */
int url_rule_host_parse(char **out_pattern, const char *text, size_t length, char *out_why);

/* If `is_any_form`, also with the IPv4 address inside the host's. */
bool url_rule_host_matches(const char *pattern, const struct url_rule_host *host, bool is_any_form);

/* ---- url_rule_path.c ------------------------------------------------------------------------ */

struct url_rule_path {
    char *segments; /* decoded, each with its NUL, one behind the other; owned */
    size_t count;
    bool is_directory; /* a slash at the end */
};

int url_rule_path_parse(struct url_rule_path *out_path, const char *text, char *out_why);

/* Is what is asked for below the path, however the origin reads it? */
bool url_rule_path_surely_holds(const struct url_rule_path *path, const char *asked);

/* Is there a reading by which it is? */
bool url_rule_path_may_hold(const struct url_rule_path *path, const char *asked);
