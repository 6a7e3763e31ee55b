/*
 * request_field: which header fields a client may send. On a connection that many share, a field
 * that changes the framing would let one client write another's request; so framing, connection
 * management and proxy fields are the daemon's, and no byte may pass that ends a line. Pure.
 */
#pragma once

#include "fetchpool_wire.h"

/* A token of RFC 9110, 5.6.2: what field names and methods are made of. */
bool request_field_is_token(struct wire_str str);

/* Without the spaces and tabs around it. */
struct wire_str request_field_trim(struct wire_str value);

/*
 * Are these credentials that hold for all of a connection: does the origin take its next requests
 * for the same user's (RFC 4559, 6; NTLM likewise)?
 */
bool request_field_binds_connection(struct wire_str name, struct wire_str value);

/* 0, or -EINVAL with the reason, which names the field. */
int request_field_check(struct wire_str name, struct wire_str value, struct wire_why *why);
