/*
 * policy: may this user ask for this? Rules in, verdict out. The rules are sections
 * [policy "name"] of the configuration; the first one that names the user, or a group of the
 * user's, holds for all that the user asks; for everybody else it is "default", which always is.
 *
 * A request is asked about twice: before it is queued, by what it says (policy_ask_request()), and
 * for each address that it could be sent to, when a connection is opened or used again
 * (policy_ask_address()). Of what an allow and a deny rule both match, the request is denied. Of
 * the networks that hold an address, the smallest decides; of two that are equal, networks_deny. An
 * address that none holds is denied if there is any networks_allow, as a URL that no rule of allow
 * matches is.
 *
 * Whatever networks_deny says, these are denied, unless a network of networks_allow that is no
 * larger holds the address: link-local (169.254.0.0/16, fe80::/10), multicast (224.0.0.0/4,
 * ff00::/8), unspecified (0.0.0.0/8, ::) and broadcast (255.255.255.255) addresses.
 *
 * Of an IPv4 address inside an IPv6 one (see network.h) each is asked about, and each can deny: a
 * network of networks_allow that holds the one does not overrule what is said of the other.
 *
 * Pure: no I/O, no clock, no memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config.h"
#include "network.h"

/* A user, as the kernel has it. Borrowed. */
struct policy_subject {
    uid_t uid;
    gid_t gid;
    const gid_t *groups; /* supplementary ones */
    size_t group_count;
};

/* What a request says. Borrowed. */
struct policy_request {
    struct url_rule_subject url;
    const char *server_name; /* of TLS, lower case; NULL: the host */
    bool is_tls_unverified;
    const char *proxy_scheme; /* NULL: the client has chosen none */
    const char *proxy_host;
    uint16_t proxy_port;
};

enum policy_answer {
    POLICY_ALLOWED,
    POLICY_REPORTED, /* it would be denied, but mode = report: only the log hears of it */
    POLICY_DENIED
};

struct policy_verdict {
    enum policy_answer answer;
    char rule[320];      /* what decided: `policy "jobs": deny = http://old.example.com` */
    size_t topic_length; /* how much of it is the configuration's: the rest came from outside */
};

/* Which policy holds for this user. Never NULL. Lives as long as the configuration. */
const struct config_policy *policy_find(const struct config *config,
                                        const struct policy_subject *subject);

/* By scheme, host, server name (as another host), port, path, method, verification and proxy; and
 * by the address, where the host is one and no proxy stands between. */
enum policy_answer policy_ask_request(const struct config_policy *policy,
                                      const struct policy_request *request,
                                      struct policy_verdict *out_verdict);

/* By the address that a connection is to, or would be to. */
enum policy_answer policy_ask_address(const struct config_policy *policy,
                                      const struct network_address *address,
                                      struct policy_verdict *out_verdict);

/* The networks that are denied whatever networks_deny says. */
const struct network_list *policy_built_in_networks(void);

/* Where a limit stands that holds for its users: "[limits]", or, if it is the policy's own,
 * [policy "name"]. For sentences. */
#define POLICY_SECTION_BYTES 80
void policy_name_section(const struct config_policy *policy, bool is_own,
                         char out_text[POLICY_SECTION_BYTES]);

/* Do its users get the credentials that the daemon holds for this origin ([origin] header)? */
bool policy_grants_credentials(const struct config_policy *policy,
                               const struct url_rule_subject *url);
