/* SPDX-License-Identifier: MIT */
/*
 * addr.c - addresses and their texts: each form there and back, and what is none.
 *
 * matrix: once
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/un.h>
#include <weft.h>

#include "test.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Goal: every documented form gives the address that it names, and formats to its plain form. */
TEST(every_form_of_a_text_is_parsed_and_formatted_back)
{
    static const struct {
        const char *text, *formatted;
        int family, port;
    } rows[] = {
        {"127.0.0.1:80", "127.0.0.1:80", AF_INET, 80},
        {"localhost:8080", "127.0.0.1:8080", AF_INET, 8080},
        {"0.0.0.0:0", "0.0.0.0:0", AF_INET, 0},
        {"255.255.255.255:65535", "255.255.255.255:65535", AF_INET, 65535},
        {"10.0.0.1:00080", "10.0.0.1:80", AF_INET, 80},
        {"[::1]:80", "[::1]:80", AF_INET6, 80},
        {"[::]:65535", "[::]:65535", AF_INET6, 65535},
        {"[2001:DB8:0:0:0:0:0:1]:443", "[2001:db8::1]:443", AF_INET6, 443},
        {"[::ffff:1.2.3.4]:1", "[::ffff:1.2.3.4]:1", AF_INET6, 1},
        {"[fe80::1%7]:80", "[fe80::1%7]:80", AF_INET6, 80},
        {"[fe80::1%4294967295]:80", "[fe80::1%4294967295]:80", AF_INET6, 80},
        {":80", "[::]:80", AF_INET6, 80},
        {"*:81", "[::]:81", AF_INET6, 81},
        {"unix:/tmp/weft", "unix:/tmp/weft", AF_UNIX, 0},
        {"unix:relative:1", "unix:relative:1", AF_UNIX, 0},
        {"unix:@name", "unix:@name", AF_UNIX, 0},
        {"unix:@", "unix:@", AF_UNIX, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct weft_addr addr, again;
        char text[WEFT_ADDR_TEXT_MAX];

        CHECK_EQ(weft_addr_parse(&addr, rows[i].text), 0);
        CHECK_EQ(addr.storage.ss_family, rows[i].family);
        CHECK_EQ(weft_addr_port(&addr), rows[i].port);
        CHECK(weft_addr_format(&addr, text, sizeof text) == text);
        CHECK_STR(text, rows[i].formatted);
        CHECK_EQ(weft_addr_parse(&again, text), 0);
        CHECK_EQ(again.len, addr.len);
        CHECK(memcmp(&again.storage, &addr.storage, sizeof addr.storage) == 0);
    }
}

/* Goal: the lengths and bytes are those that the kernel wants. */
TEST(an_address_has_the_layout_of_its_family)
{
    struct weft_addr addr;
    const struct sockaddr_in *in = (const struct sockaddr_in *)&addr.storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr.storage;
    const struct sockaddr_un *un = (const struct sockaddr_un *)&addr.storage;
    const size_t head = offsetof(struct sockaddr_un, sun_path);

    CHECK_EQ(weft_addr_parse(&addr, "1.2.3.4:258"), 0);
    CHECK_EQ(addr.len, sizeof *in);
    CHECK_EQ(ntohl(in->sin_addr.s_addr), 0x01020304);
    CHECK_EQ(ntohs(in->sin_port), 258);
    CHECK_EQ(weft_addr_parse(&addr, "[::1]:1"), 0);
    CHECK_EQ(addr.len, sizeof *in6);
    CHECK(IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr));
    CHECK_EQ(weft_addr_parse(&addr, "unix:/x"), 0);
    CHECK_EQ(addr.len, head + 3); /* with its 0 */
    CHECK_STR(un->sun_path, "/x");
    CHECK_EQ(weft_addr_parse(&addr, "unix:@ab"), 0);
    CHECK_EQ(addr.len, head + 3); /* a 0 in front, none at the end */
    CHECK(memcmp(un->sun_path, "\0ab", 3) == 0);
}

TEST(what_is_no_address_is_einval)
{
    static const char *const texts[] = {
        "", "80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:-1", "127.0.0.1:+1",
        "127.0.0.1:65536", "127.0.0.1:99999999999999999999", "127.0.0.1:80 ", "127.0.0.1: 80",
        " 127.0.0.1:80", "127.0.0:80", "127.0.0.256:80", "127.0.0.1.1:80", "0x7f.1:80",
        "::1:80", "[::1]", "[::1]80", "[::1:80", "::1]:80", "[]:80", "[:80", "]:80",
        "[::1]]:80", "[[::1]]:80", "[::g]:80", "[1.2.3.4]:80", "[fe80::1%]:80",
        "[::1%0]:80", "1.2.3.4%1:80", "example.com:80", "localhost", "Localhost:80", "**:80",
        "unix:", "unix",
        "a-name-that-is-longer-than-any-address-could-be-and-so-must-not-fit-anywhere:80",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct weft_addr addr;
        int rc = weft_addr_parse(&addr, texts[i]);

        if (rc != -EINVAL)
            TEST_FAIL("\"%s\" gives %d", texts[i], rc);
    }
}

TEST(an_interface_may_have_a_name)
{
    struct weft_addr addr, again;
    char text[WEFT_ADDR_TEXT_MAX];

    CHECK_EQ(weft_addr_parse(&addr, "[fe80::1%no-such-one]:80"), -ENODEV);
    CHECK_EQ(weft_addr_parse(&addr, "[fe80::1%99999999999]:80"), -ENODEV);
    if (weft_addr_parse(&addr, "[fe80::1%lo]:80") == -ENODEV)
        SKIP("there is no lo here");
    CHECK_GT(((struct sockaddr_in6 *)&addr.storage)->sin6_scope_id, 0);
    CHECK_EQ(weft_addr_parse(&again, weft_addr_format(&addr, text, sizeof text)), 0);
    CHECK(memcmp(&again.storage, &addr.storage, sizeof addr.storage) == 0);
}

/* Goal: the longest UNIX names fit, there and back, and one more byte does not. */
TEST(a_unix_name_that_does_not_fit_is_enametoolong)
{
    const size_t room = sizeof((struct sockaddr_un *)0)->sun_path;

    for (int is_abstract = 0; is_abstract < 2; is_abstract++) {
        char text[256] = "unix:", formatted[WEFT_ADDR_TEXT_MAX];
        const size_t most = is_abstract ? room : room - 1;
        struct weft_addr addr;

        memset(text + 5, 'a', most + 1);
        text[5] = is_abstract ? '@' : '/';
        CHECK_EQ(weft_addr_parse(&addr, text), -ENAMETOOLONG);
        text[5 + most] = '\0';
        CHECK_EQ(weft_addr_parse(&addr, text), 0);
        CHECK_STR(weft_addr_format(&addr, formatted, sizeof formatted), text);
    }
}

/* Goal: a text that does not fit is cut, has its end, and nothing is written behind it. */
TEST(a_formatted_text_is_cut_to_its_room)
{
    static const char *const texts[] = {"127.0.0.1:65535", "[2001:db8::1]:443", "unix:/tmp/weft",
                                        "unix:@abstract"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct weft_addr addr;

        CHECK_EQ(weft_addr_parse(&addr, texts[i]), 0);
        for (size_t bytes = 0; bytes <= strlen(texts[i]) + 1; bytes++) {
            char text[WEFT_ADDR_TEXT_MAX];

            memset(text, '#', sizeof text);
            CHECK(weft_addr_format(&addr, text, bytes) == text);
            CHECK_EQ(text[bytes], '#');
            if (bytes > 0) {
                CHECK_EQ(strlen(text), bytes - 1);
                CHECK(memcmp(text, texts[i], bytes - 1) == 0);
            }
        }
    }
}

TEST(an_address_of_another_family_has_no_text_and_no_port)
{
    struct weft_addr addr = {.len = sizeof(struct sockaddr), .storage = {.ss_family = 250}};
    char text[WEFT_ADDR_TEXT_MAX];

    CHECK_STR(weft_addr_format(&addr, text, sizeof text), "?");
    CHECK_EQ(weft_addr_port(&addr), 0);
    memset(&addr, 0, sizeof addr);
    CHECK_STR(weft_addr_format(&addr, text, sizeof text), "?");
}

/* Goal: the name of a socket without one, as the kernel gives it for the end that dialled. */
TEST(a_unix_socket_without_a_name_is_formatted)
{
    struct weft_addr addr = {.len = sizeof(sa_family_t), .storage = {.ss_family = AF_UNIX}};
    char text[WEFT_ADDR_TEXT_MAX];

    CHECK_STR(weft_addr_format(&addr, text, sizeof text), "unix:");
    CHECK_EQ(weft_addr_port(&addr), 0);
}

/* Goal: whatever the text, parsing never fails in another way, and what it takes survives the way
 * there and back.
 * Method: random texts of the characters that addresses are made of, and good texts damaged. */
TEST(a_random_text_is_refused_or_survives_there_and_back)
{
    static const char letters[] = "0123456789abcdef:.[]*@/%-xunilocalhost ";
    static const char *const seeds[] = {"127.0.0.1:80", "[::1]:80", "localhost:1", "unix:@x"};
    uint64_t random = test_seed();

    for (int i = 0; i < 200000 / (int)test_scale(); i++) {
        char text[192], back[WEFT_ADDR_TEXT_MAX];
        size_t n = test_random(&random) % (i % 16 == 0 ? sizeof text : 24);
        struct weft_addr addr, again;

        for (size_t k = 0; k < n; k++)
            text[k] = letters[test_random(&random) % (sizeof letters - 1)];
        text[n < sizeof text ? n : sizeof text - 1] = '\0';
        if (i % 2 == 0) {
            strcpy(text, seeds[test_random(&random) % COUNT(seeds)]);
            text[test_random(&random) % strlen(text)] =
                letters[test_random(&random) % (sizeof letters - 1)];
        }
        int rc = weft_addr_parse(&addr, text);
        if (rc != 0) {
            CHECK(rc == -EINVAL || rc == -ENAMETOOLONG || rc == -ENODEV);
            continue;
        }
        CHECK_EQ(weft_addr_parse(&again, weft_addr_format(&addr, back, sizeof back)), 0);
        CHECK_EQ(again.len, addr.len);
        CHECK(memcmp(&again.storage, &addr.storage, sizeof addr.storage) == 0);
    }
}
