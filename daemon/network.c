/* network: see network.h. */
#include "network.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#define ADDRESS_BITS 128
#define MAPPED_BITS  96 /* of an IPv4 address, before its own 32 */
#define MAPPED_BYTES (MAPPED_BITS / 8)
#define MOST_DIGITS  3 /* of a prefix */

static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};
static const uint8_t unspecified[16];
static const uint8_t loopback[16] = {[15] = 1};

/* The other ways to write an IPv4 address as an IPv6 one, and at which byte it stands. */
static const struct wrapping {
    uint8_t prefix[16];
    unsigned prefix_bits;
    unsigned at;
} wrappings[] = {
    {{[8] = 0xff, [9] = 0xff}, 96, 12},             /* translated, RFC 2765 */
    {{0}, 96, 12},                                  /* compatible, RFC 4291 */
    {{[1] = 0x64, [2] = 0xff, [3] = 0x9b}, 96, 12}, /* NAT64, RFC 6052 */
    {{[0] = 0x20, [1] = 0x02}, 16, 2},              /* 6to4, RFC 3056 */
};

static bool begins_with(const uint8_t *bytes, const uint8_t *prefix, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(bytes, prefix, whole) != 0)
        return false;
    return rest == 0 || (bytes[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

static bool is_ipv4(const struct network_address *address)
{
    return begins_with(address->bytes, mapped, MAPPED_BITS);
}

static bool is_of_ipv4(const struct network *network)
{
    return network->prefix_bits >= MAPPED_BITS && is_ipv4(&network->first);
}

static const struct wrapping *wrapping_of(const uint8_t *bytes)
{
    if (memcmp(bytes, unspecified, 16) == 0 || memcmp(bytes, loopback, 16) == 0)
        return NULL;
    for (size_t i = 0; i < sizeof wrappings / sizeof *wrappings; i++) {
        if (begins_with(bytes, wrappings[i].prefix, wrappings[i].prefix_bits))
            return &wrappings[i];
    }
    return NULL;
}

static struct network_address from_ipv4(const void *bytes)
{
    struct network_address address = {0};
    memcpy(address.bytes, mapped, MAPPED_BYTES);
    memcpy(address.bytes + MAPPED_BYTES, bytes, 4);
    return address;
}

static struct network_address from_ipv6(const void *bytes)
{
    struct network_address address = {0};
    memcpy(address.bytes, bytes, 16);
    return address;
}

static struct network_address unwrap(struct network_address address)
{
    const struct wrapping *wrapping = wrapping_of(address.bytes);
    if (!wrapping)
        return address;
    struct network_address inner = from_ipv4(address.bytes + wrapping->at);
    memcpy(inner.outer, address.bytes, 16);
    return inner;
}

/* As it is written: nothing is unwrapped. */
static bool parse_address(struct network_address *out_address, const char *text)
{
    uint8_t bytes[16];
    if (inet_pton(AF_INET, text, bytes) == 1)
        *out_address = from_ipv4(bytes);
    else if (inet_pton(AF_INET6, text, bytes) == 1)
        *out_address = from_ipv6(bytes);
    else
        return false;
    return true;
}

static bool parse_prefix(unsigned *out_bits, const char *text, unsigned most)
{
    size_t length = strlen(text);
    if (length == 0 || length > MOST_DIGITS || strspn(text, "0123456789") != length ||
        (text[0] == '0' && length > 1))
        return false;
    unsigned long bits = strtoul(text, NULL, 10);
    if (bits > most)
        return false;
    *out_bits = (unsigned)bits;
    return true;
}

static bool has_bits_beyond(const struct network *network)
{
    for (unsigned bit = network->prefix_bits; bit < ADDRESS_BITS; bit++) {
        if (network->first.bytes[bit / 8] & (0x80 >> bit % 8))
            return true;
    }
    return false;
}

bool network_parse(struct network *out_network, const char *text)
{
    char address[INET6_ADDRSTRLEN];
    struct network network = {.prefix_bits = ADDRESS_BITS};
    size_t length = strcspn(text, "/");
    if (length >= sizeof address)
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    if (!parse_address(&network.first, address))
        return false;
    unsigned before = strchr(address, ':') ? 0 : MAPPED_BITS;
    if (text[length] == '/') {
        if (!parse_prefix(&network.prefix_bits, text + length + 1, ADDRESS_BITS - before))
            return false;
        network.prefix_bits += before;
    }
    if (has_bits_beyond(&network))
        return false;
    *out_network = network;
    return true;
}

void network_print(char *out_text, size_t size, const struct network *network)
{
    char address[INET6_ADDRSTRLEN];
    unsigned before = is_of_ipv4(network) ? MAPPED_BITS : 0;
    inet_ntop(before ? AF_INET : AF_INET6, network->first.bytes + before / 8, address,
              sizeof address);
    if (network->prefix_bits == ADDRESS_BITS)
        snprintf(out_text, size, "%s", address);
    else
        snprintf(out_text, size, "%s/%u", address, network->prefix_bits - before);
}

bool network_address_of(struct network_address *out_address, const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, address, sizeof ipv4);
        *out_address = from_ipv4(&ipv4.sin_addr);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 ipv6;
        memcpy(&ipv6, address, sizeof ipv6);
        *out_address = unwrap(from_ipv6(&ipv6.sin6_addr));
    } else {
        return false;
    }
    return true;
}

bool network_address_parse(struct network_address *out_address, const char *text)
{
    struct network_address address;
    if (!parse_address(&address, text))
        return false;
    *out_address = unwrap(address);
    return true;
}

bool network_address_outer(struct network_address *out_outer, const struct network_address *address)
{
    if (memcmp(address->outer, unspecified, 16) == 0)
        return false;
    *out_outer = from_ipv6(address->outer);
    return true;
}

void network_address_print(char *out_text, size_t size, const struct network_address *address)
{
    struct network alone = {.first = *address, .prefix_bits = ADDRESS_BITS};
    network_print(out_text, size, &alone);
}

static bool holds(const struct network *network, const struct network_address *address)
{
    return is_of_ipv4(network) == is_ipv4(address) &&
           begins_with(address->bytes, network->first.bytes, network->prefix_bits);
}

const struct network *network_list_find(const struct network_list *list,
                                        const struct network_address *address)
{
    const struct network *smallest = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const struct network *network = &list->items[i];
        if ((!smallest || network->prefix_bits > smallest->prefix_bits) && holds(network, address))
            smallest = network;
    }
    return smallest;
}

int network_list_add(struct network_list *list, const struct network *network)
{
    struct network *items = reallocarray(list->items, list->count + 1, sizeof *items);
    if (!items)
        return -ENOMEM;
    list->items = items;
    items[list->count++] = *network;
    return 0;
}

void network_list_finish(struct network_list *list)
{
    free(list->items);
    *list = (struct network_list){0};
}
