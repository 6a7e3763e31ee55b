/*
 * network: sets of IP addresses, as in 10.0.0.0/8 or fe80::/10, and whether an address is in one.
 * An IPv4 address inside an IPv6 one is the IPv4 address: mapped (::ffff:a.b.c.d), translated
 * (::ffff:0:a.b.c.d), compatible (::a.b.c.d, but not :: and ::1), NAT64 (64:ff9b::/96) and 6to4
 * (2002::/16). But for the mapped form, which is IPv4 in other words, the IPv6 address is kept
 * beside it: whoever judges one has to judge both.
 *
 * A network is what is written, never unwrapped: 64:ff9b::/96 holds the outer address of whatever
 * goes through NAT64, and no IPv4 address. An IPv6 network holds no IPv4 address, not even ::/0,
 * unless it is one of mapped addresses: ::ffff:10.0.0.0/104 is 10.0.0.0/8. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/socket.h>

/* An address, IPv4 ones as ::ffff:a.b.c.d. */
struct network_address {
    uint8_t bytes[16];
    uint8_t outer[16]; /* the IPv6 address that an IPv4 one was inside of; zeros: none */
};

struct network {
    struct network_address first;
    unsigned prefix_bits; /* of 128; an IPv4 network has 96 more than is written */
};

struct network_list {
    struct network *items;
    size_t count;
};

/* "10.0.0.0/8", "192.0.2.1", "fe80::/10": false if it is none, or has bits set beyond the prefix.
 */
bool network_parse(struct network *out_network, const char *text);

/* Longest text of a network, with its end. */
#define NETWORK_TEXT_BYTES 50

/* As it would be written, IPv4 as such. */
void network_print(char *out_text, size_t size, const struct network *network);

/* Unwraps. False if it is neither AF_INET nor AF_INET6. */
bool network_address_of(struct network_address *out_address, const struct sockaddr *address);

/* "192.0.2.1", "fe80::1": a whole text; false if it is none. Unwraps. */
bool network_address_parse(struct network_address *out_address, const char *text);

/* The IPv6 address that this IPv4 one was inside of, as an address of its own; false if none. */
bool network_address_outer(struct network_address *out_outer,
                           const struct network_address *address);

/* Without the outer one. */
void network_address_print(char *out_text, size_t size, const struct network_address *address);

/*
 * The smallest network of the list that holds the address, the first one of equals; NULL if none
 * does. Of the outer address it knows nothing: ask for that one too.
 */
const struct network *network_list_find(const struct network_list *list,
                                        const struct network_address *address);

/* Copies it to the end of the list. 0 or -ENOMEM. */
int network_list_add(struct network_list *list, const struct network *network);
void network_list_finish(struct network_list *list);
