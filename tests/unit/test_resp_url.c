#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/base.h>

#include "store/resp_url.h"

static struct resp_url
url_of(const char *text)
{
	struct resp_url url;
	size_t offset = 0;

	cr_assert_eq(aibrix__resp_url_parse(text, &url, &offset), AIBRIX_OK,
		     "%s: byte %zu", text, offset);
	return url;
}

Test(resp_url, a_host_alone_has_the_usual_port)
{
	struct resp_url url = url_of("redis://cache-1.example");

	cr_expect_eq(url.n_hosts, 1);
	cr_expect_str_eq(url.hosts[0].name, "cache-1.example");
	cr_expect_eq(url.hosts[0].port, 6379);
	cr_expect_eq(url.tls, 0);
	cr_expect_eq(url.cluster, 0);
	cr_expect_eq(url.db, 0);
	cr_expect_str_eq(url.user, "");
	cr_expect_str_eq(url.password, "");
}

Test(resp_url, user_and_password_are_decoded)
{
	struct resp_url url =
		url_of("rediss://b%6Fb:s@:%2f%3F@[fe80::1%eth0]:7000,h/12");

	cr_expect_str_eq(url.user, "bob");
	cr_expect_str_eq(url.password, "s@:/?");
	cr_expect_eq(url.tls, 1);
	cr_expect_eq(url.n_hosts, 2);
	cr_expect_str_eq(url.hosts[0].name, "fe80::1%eth0");
	cr_expect_eq(url.hosts[0].port, 7000);
	cr_expect_str_eq(url.hosts[1].name, "h");
	cr_expect_eq(url.hosts[1].port, 6379);
	cr_expect_eq(url.db, 12);
}

Test(resp_url, a_password_needs_no_user)
{
	struct resp_url url = url_of("redis://:secret@h/");

	cr_expect_str_eq(url.user, "");
	cr_expect_str_eq(url.password, "secret");
}

Test(resp_url, a_unix_socket_is_a_path)
{
	struct resp_url url = url_of("unix:///run/redis%20one.sock?db=3");

	cr_expect_eq(url.n_hosts, 1);
	cr_expect_str_eq(url.hosts[0].name, "/run/redis one.sock");
	cr_expect_eq(url.hosts[0].port, 0);
	cr_expect_eq(url.db, 3);
	url = url_of("unix://bob:pw@/s");
	cr_expect_str_eq(url.password, "pw");
	cr_expect_str_eq(url.hosts[0].name, "/s");
}

Test(resp_url, a_cluster_has_several_hosts_and_no_database)
{
	struct resp_url url = url_of("valkeys-cluster://a:1,b:2,c:3");

	cr_expect_eq(url.cluster, 1);
	cr_expect_eq(url.tls, 1);
	cr_expect_eq(url.n_hosts, 3);
	cr_expect_eq(url.hosts[2].port, 3);
}

Test(resp_url, what_is_no_address_is_refused_where_it_goes_wrong)
{
	static const struct {
		const char *text;
		size_t offset;
	} bad[] = {
		{"", 0},
		{"redis:/h", 0},
		{"REDIS://h", 0},
		{"redis://", 8},
		{"redis://h,", 10},
		{"redis://,h", 8},
		{"redis://h:", 10},
		{"redis://h:0", 11},
		{"redis://h:65536", 14},
		{"redis://h:7x", 11},
		{"redis://[::1", 12},
		{"redis://[]", 10},
		{"redis://h h", 9},
		{"redis://h\n", 9},
		{"redis://bob@h", 8},
		{"redis://bob:@h", 12},
		{"redis://:a%zz@h", 10},
		{"redis://:a%00@h", 13},
		{"redis://h/x", 10},
		{"redis://h/1/2", 11},
		{"redis://h/2147483648", 19},
		{"redis://h?db=", 13},
		{"redis://h?x=1", 10},
		{"redis-cluster://h/1", 19},
		{"unix://", 7},
		{"unix://h/path", 7},
	};
	struct resp_url url;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t offset = 999;

		cr_expect_eq(aibrix__resp_url_parse(bad[i].text, &url, &offset),
			     AIBRIX_E_INVAL, "%s", bad[i].text);
		cr_expect_eq(offset, bad[i].offset, "%s: %zu", bad[i].text,
			     offset);
	}
}

Test(resp_url, each_part_has_a_limit)
{
	struct resp_url url;
	char text[5000] = "redis://";
	size_t offset;

	memset(text + 8, 'h', 255);
	cr_expect_eq(aibrix__resp_url_parse(text, &url, &offset), AIBRIX_OK);
	text[8 + 255] = 'h';
	cr_expect_eq(aibrix__resp_url_parse(text, &url, &offset),
		     AIBRIX_E_INVAL);
	cr_expect_eq(offset, 8 + 255);
	strcpy(text, "unix://");
	memset(text + 7, '/', 107);
	text[7 + 107] = '\0';
	cr_expect_eq(aibrix__resp_url_parse(text, &url, &offset), AIBRIX_OK);
	text[7 + 107] = '/';
	text[7 + 108] = '\0';
	cr_expect_eq(aibrix__resp_url_parse(text, &url, &offset),
		     AIBRIX_E_INVAL);
	memset(text, 'x', sizeof(text) - 1);
	cr_expect_eq(aibrix__resp_url_parse(text, &url, &offset),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix__resp_url_parse(NULL, &url, &offset),
		     AIBRIX_E_INVAL);
	cr_expect_eq(offset, 0);
}
