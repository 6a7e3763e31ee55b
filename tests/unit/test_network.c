/* Networks: how they are written, what they hold, and IPv4 addresses inside IPv6 ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "network.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct network_address address_of(const char *text)
{
    struct network_address address;
    if (!network_address_parse(&address, text))
        fail_msg("%s was refused", text);
    return address;
}

static void networks_are_printed_as_they_are_written(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"10.0.0.0/8", "10.0.0.0/8"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1/32", "192.0.2.1"},
        {"192.0.2.128/25", "192.0.2.128/25"},
        {"fe80::/10", "fe80::/10"},
        {"::/0", "::/0"},
        {"::", "::"},
        {"::/128", "::"},
        {"FD00:0:0::1", "fd00::1"},
        {"::ffff:10.0.0.0/104", "10.0.0.0/8"},
        {"::ffff:0:0/96", "0.0.0.0/0"},
        {"::/96", "::/96"},
        {"64:ff9b::/96", "64:ff9b::/96"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.254/127",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct network network;
        char text[NETWORK_TEXT_BYTES];
        if (!network_parse(&network, cases[i][0]))
            fail_msg("%s was refused", cases[i][0]);
        network_print(text, sizeof text, &network);
        assert_string_equal(text, cases[i][1]);
    }
}

static void what_is_no_network_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/ 8",
        "10.0.0.0/08",
        "10.0.0.0/8 ",
        " 10.0.0.0/8",
        "10.0.0.0/8/8",
        "10.0.0.0/8x",
        "10/8",
        "10.0.0/8",
        "010.0.0.0/8",
        "10.0.0.0/4294967304",
        "10.0.0.1/8",
        "10.0.0.0/6",
        "192.0.2.129/25",
        "192.0.2.1/31",
        "1.2.3.256",
        "fec0::/9",
        "fe80::/129",
        "fe80::1/64",
        "fe80::%lo/64",
        "[fe80::]/10",
        "::1/127",
        "::ffff:10.0.0.0/8",
        "::ffff:0:0/95",
        "example.com",
        "localhost/8",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/0",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct network network = {.prefix_bits = 77};
        if (network_parse(&network, cases[i]))
            fail_msg("%s was taken", cases[i]);
        assert_int_equal(network.prefix_bits, 77);
    }
}

static void a_network_holds_what_has_its_prefix(void **state)
{
    (void)state;
    static const struct {
        const char *network, *address;
        bool is_held;
    } cases[] = {
        {"10.0.0.0/8", "10.0.0.0", true},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.0", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"0.0.0.0/0", "::1", false},
        {"0.0.0.0/0", "::", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "::1", true},
        {"::/0", "10.0.0.1", false},
        {"::/0", "::ffff:10.0.0.1", false},
        {"::/80", "10.0.0.1", false},
        {"fe80::/10", "febf:ffff::1", true},
        {"fe80::/10", "fec0::1", false},
        {"::1", "::1", true},
        {"::1", "127.0.0.1", false},
        {"::ffff:10.0.0.0/104", "10.1.2.3", true},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"10.0.0.0/8", "::ffff:0a01:0203", true},
        {"10.0.0.0/8", "::ffff:0:10.1.2.3", true},
        {"10.0.0.0/8", "::10.1.2.3", true},
        {"10.0.0.0/8", "64:ff9b::10.1.2.3", true},
        {"10.0.0.0/8", "2002:a01:203::", true},
        {"10.0.0.0/8", "2002:a01:203:ffff:ffff:ffff:ffff:ffff", true},
        {"0.0.0.0/8", "::2", true}, /* compatible: 0.0.0.2 */
        {"0.0.0.0/0", "64:ff9b:0:0:0:1::", false},
        {"0.0.0.0/0", "2003:a01:203::", false},
        {"0.0.0.0/0", "::fffe:10.1.2.3", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct network network;
        assert_true(network_parse(&network, cases[i].network));
        struct network_list list = {.items = &network, .count = 1};
        struct network_address address = address_of(cases[i].address);
        if ((network_list_find(&list, &address) != NULL) != cases[i].is_held)
            fail_msg("%s in %s: not %d", cases[i].address, cases[i].network, cases[i].is_held);
    }
}

/* What is inside, and what it was inside of: NULL where there is none to judge besides. */
static void an_address_inside_an_address_is_unwrapped(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"10.0.0.1", "10.0.0.1", NULL},
        {"::ffff:10.0.0.1", "10.0.0.1", NULL},
        {"::ffff:0:10.0.0.1", "10.0.0.1", "::ffff:0:a00:1"},
        {"::10.0.0.1", "10.0.0.1", "::10.0.0.1"},
        {"64:ff9b::169.254.169.254", "169.254.169.254", "64:ff9b::a9fe:a9fe"},
        {"2002:7f00:1::5", "127.0.0.1", "2002:7f00:1::5"},
        {"::", "::", NULL},
        {"::1", "::1", NULL},
        {"2001:db8::1", "2001:db8::1", NULL},
        {"64:ff9b:1::10.0.0.1", "64:ff9b:1::a00:1", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct network_address address = address_of(cases[i][0]), outer;
        char text[NETWORK_TEXT_BYTES];
        network_address_print(text, sizeof text, &address);
        assert_string_equal(text, cases[i][1]);
        assert_int_equal(network_address_outer(&outer, &address), cases[i][2] != NULL);
        if (!cases[i][2])
            continue;
        struct network network;
        assert_true(network_parse(&network, cases[i][2]));
        assert_memory_equal(outer.bytes, network.first.bytes, 16);
        assert_false(network_address_outer(&outer, &outer));
    }
}

static void a_socket_address_is_as_its_text(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "::ffff:10.0.0.1", "::ffff:0:10.0.0.1", "::10.0.0.1", "64:ff9b::a00:1",
        "2002:a00:1::",    "fe80::1",           "::1",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = 80, .sin6_scope_id = 3};
        assert_int_equal(inet_pton(AF_INET6, cases[i], &ipv6.sin6_addr), 1);
        struct network_address address, same = address_of(cases[i]);
        assert_true(network_address_of(&address, (struct sockaddr *)&ipv6));
        assert_memory_equal(&address, &same, sizeof same);
    }
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001)};
    struct network_address address, same = address_of("10.0.0.1");
    assert_true(network_address_of(&address, (struct sockaddr *)&ipv4));
    assert_memory_equal(&address, &same, sizeof same);
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    assert_false(network_address_of(&address, (struct sockaddr *)&local));
    assert_memory_equal(&address, &same, sizeof same);
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",          "10.0.0.1/32", "10.0.0",     "0x7f.1",
                                        "127.1",     "[::1]",       "fe80::1%lo", "::1 ",
                                        " ::1",      "example.com", "10.0.0.1.",  "1.2.3.4.5",
                                        "2130706433"};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct network_address address;
        if (network_address_parse(&address, cases[i]))
            fail_msg("%s was taken", cases[i]);
    }
}

static void of_several_networks_the_smallest_is_found(void **state)
{
    (void)state;
    static const char *const texts[] = {"10.0.0.0/8",  "10.1.2.0/24", "10.1.0.0/16",
                                        "10.1.2.0/24", "0.0.0.0/0",   "::/0"};
    struct network_list list = {0};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct network network;
        assert_true(network_parse(&network, texts[i]));
        assert_int_equal(network_list_add(&list, &network), 0);
    }
    assert_int_equal(list.count, COUNT(texts));
    static const struct {
        const char *address;
        size_t found;
    } cases[] = {{"10.1.2.3", 1}, {"10.1.3.3", 2}, {"10.2.0.1", 0}, {"11.0.0.1", 4}, {"::1", 5}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct network_address address = address_of(cases[i].address);
        assert_ptr_equal(network_list_find(&list, &address), &list.items[cases[i].found]);
    }
    network_list_finish(&list);
    assert_int_equal(list.count, 0);
    struct network_address address = address_of("10.1.2.3");
    assert_null(network_list_find(&list, &address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_printed_as_they_are_written),
        cmocka_unit_test(what_is_no_network_is_refused),
        cmocka_unit_test(a_network_holds_what_has_its_prefix),
        cmocka_unit_test(an_address_inside_an_address_is_unwrapped),
        cmocka_unit_test(a_socket_address_is_as_its_text),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(of_several_networks_the_smallest_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
