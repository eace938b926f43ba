/* Input: the URL of a Redis.  Property: it is refused with a place inside of
 * it, or each part is within its limits and is what a host, a path and a
 * number may be. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/resp_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
require(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void
host_check(const struct resp_host *host)
{
	const size_t n = strnlen(host->name, sizeof(host->name));

	require(n > 0 && n <= RESP_URL_NAME, "length of a host");
	require(host->port <= 65535, "a port");
	if (host->port == 0) {
		require(host->name[0] == '/' && n <= RESP_URL_PATH, "a path");
		return;
	}
	for (size_t i = 0; i < n; i++)
		require(host->name[i] > ' ' && host->name[i] <= '~' &&
				!strchr("/?#@,[]", host->name[i]),
			"a byte of a host");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct resp_url url;
	size_t offset = SIZE_MAX;
	char *text = malloc(len + 1);

	if (!text)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	if (aibrix__resp_url_parse(text, &url, &offset)) {
		require(offset <= strlen(text), "the place of an error");
	} else {
		require(url.n_hosts >= 1 && url.n_hosts <= RESP_URL_HOSTS,
			"number of hosts");
		for (uint32_t i = 0; i < url.n_hosts; i++)
			host_check(&url.hosts[i]);
		require(strnlen(url.user, sizeof(url.user)) <= RESP_URL_USER,
			"user");
		require(strnlen(url.password, sizeof(url.password)) <=
				RESP_URL_PASSWORD,
			"password");
		require(!url.user[0] || url.password[0], "user alone");
		require(!url.cluster || !url.db, "database of a cluster");
	}
	free(text);
	return 0;
}
