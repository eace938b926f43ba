/*
 * URLs of Redis and Valkey, left to right in one pass:
 *
 *   scheme :// [userinfo @] hosts [/db] [?db=n]
 *
 * A URL comes from a configuration file or a command line, so it is as
 * hostile as any input: each part has a limit, each byte is looked at, and
 * what is not understood is refused rather than ignored.  A host goes on to
 * a resolver and into log lines and may hold letters, digits, '.', '-', '_'
 * and in brackets ':' and '%'; a password may hold any byte but NUL.
 */
#include "store/resp_url.h"

#include <string.h>

#include <aibrix/base.h>

#include "base/hex.h"

/* What is still to be read: [at, end). */
struct span {
	const char *at, *end;
};

/* One byte, decoded; -1: not one. */
static int
byte_take(struct span *s)
{
	int high, low;

	if (*s->at != '%')
		return (uint8_t)*s->at++;
	if (s->end - s->at < 3)
		return -1;
	high = hex_value(s->at[1]);
	low = hex_value(s->at[2]);
	if (high < 0 || low < 0)
		return -1;
	s->at += 3;
	return high * 16 + low;
}

/* All of *s as text of at most max bytes. */
static int
text_take(struct span *s, char *out, size_t max)
{
	size_t n = 0;

	while (s->at < s->end) {
		const int byte = byte_take(s);

		if (byte <= 0 || n == max)
			return AIBRIX_E_INVAL;
		out[n++] = (char)byte;
	}
	out[n] = '\0';
	return AIBRIX_OK;
}

/* Digits up to the end of *s. */
static int
number_take(struct span *s, uint32_t max, uint32_t *out)
{
	uint64_t x = 0;

	if (s->at == s->end)
		return AIBRIX_E_INVAL;
	for (; s->at < s->end; s->at++) {
		if (*s->at < '0' || *s->at > '9')
			return AIBRIX_E_INVAL;
		x = x * 10 + (uint64_t)(*s->at - '0');
		if (x > max)
			return AIBRIX_E_INVAL;
	}
	*out = (uint32_t)x;
	return AIBRIX_OK;
}

static int
scheme_take(struct span *s, struct resp_url *url, int *unix_socket)
{
	static const struct {
		char text[20];
		uint32_t tls, cluster;
		int unix_socket;
	} schemes[] = {
		{"redis://", 0, 0, 0},          {"rediss://", 1, 0, 0},
		{"redis-cluster://", 0, 1, 0},  {"rediss-cluster://", 1, 1, 0},
		{"valkey://", 0, 0, 0},         {"valkeys://", 1, 0, 0},
		{"valkey-cluster://", 0, 1, 0}, {"valkeys-cluster://", 1, 1, 0},
		{"unix://", 0, 0, 1},
	};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		const size_t n = strlen(schemes[i].text);

		if ((size_t)(s->end - s->at) < n ||
		    memcmp(s->at, schemes[i].text, n) != 0)
			continue;
		s->at += n;
		url->tls = schemes[i].tls;
		url->cluster = schemes[i].cluster;
		*unix_socket = schemes[i].unix_socket;
		return AIBRIX_OK;
	}
	return AIBRIX_E_INVAL;
}

/* The place of c in *s, or its end. */
static const char *
span_find(const struct span *s, char c)
{
	const char *at = memchr(s->at, c, (size_t)(s->end - s->at));

	return at ? at : s->end;
}

/* "user:password" or ":password"; a lone word could be meant as either. */
static int
userinfo_take(struct span *s, struct resp_url *url)
{
	struct span user = {s->at, span_find(s, ':')}, password;
	int err;

	if (user.end == s->end)
		return AIBRIX_E_INVAL;
	password = (struct span){user.end + 1, s->end};
	err = text_take(&user, url->user, RESP_URL_USER);
	s->at = user.at;
	if (err)
		return err;
	err = text_take(&password, url->password, RESP_URL_PASSWORD);
	s->at = password.at;
	if (err)
		return err;
	/* AUTH needs one. */
	return url->password[0] ? AIBRIX_OK : AIBRIX_E_INVAL;
}

static int
host_byte(char c, int bracketed)
{
	const int letter = (c | 32) >= 'a' && (c | 32) <= 'z';

	return letter || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
	       c == '_' || (bracketed && (c == ':' || c == '%'));
}

static int
host_name_take(struct span *s, struct resp_host *host)
{
	const int bracketed = s->at < s->end && *s->at == '[';
	size_t n = 0;

	for (s->at += bracketed; s->at < s->end && host_byte(*s->at, bracketed);
	     s->at++) {
		if (n == RESP_URL_NAME)
			return AIBRIX_E_INVAL;
		host->name[n++] = *s->at;
	}
	host->name[n] = '\0';
	if (bracketed && (s->at == s->end || *s->at != ']'))
		return AIBRIX_E_INVAL;
	s->at += bracketed;
	return n ? AIBRIX_OK : AIBRIX_E_INVAL;
}

/* All of *s is one host. */
static int
host_take(struct span *s, struct resp_host *host)
{
	int err = host_name_take(s, host);

	host->port = RESP_URL_PORT;
	if (err || s->at == s->end)
		return err;
	if (*s->at != ':')
		return AIBRIX_E_INVAL;
	s->at++;
	err = number_take(s, 65535, &host->port);
	return err || host->port ? err : AIBRIX_E_INVAL;
}

static int
hosts_take(struct span *s, struct resp_url *url)
{
	for (;;) {
		struct span one = {s->at, span_find(s, ',')};
		const char *end = one.end;
		int err;

		if (url->n_hosts == RESP_URL_HOSTS)
			return AIBRIX_E_INVAL;
		err = host_take(&one, &url->hosts[url->n_hosts]);
		s->at = one.at;
		if (err)
			return err;
		url->n_hosts++;
		if (end == s->end)
			return AIBRIX_OK;
		s->at++;
	}
}

/* "db=n", all of *s. */
static int
query_take(struct span *s, struct resp_url *url)
{
	if (s->end - s->at < 3 || memcmp(s->at, "db=", 3) != 0)
		return AIBRIX_E_INVAL;
	s->at += 3;
	return number_take(s, INT32_MAX, &url->db);
}

static int
path_take(struct span *s, struct resp_url *url, int unix_socket)
{
	struct resp_host *host = &url->hosts[0];

	if (unix_socket) {
		host->port = 0;
		url->n_hosts = 1;
		if (s->at == s->end)
			return AIBRIX_E_INVAL;
		return text_take(s, host->name, RESP_URL_PATH);
	}
	if (s->end - s->at <= 1) { /* "" or "/" */
		s->at = s->end;
		return AIBRIX_OK;
	}
	s->at++;
	return number_take(s, INT32_MAX, &url->db);
}

static int
authority_take(struct span *s, struct resp_url *url, int unix_socket)
{
	struct span user = {s->at, s->at};
	int err;

	/* The last '@': a password may hold one, a host none. */
	for (const char *at = s->at; at < s->end; at++)
		if (*at == '@')
			user.end = at;
	if (user.end > s->at || (s->at < s->end && *s->at == '@')) {
		err = userinfo_take(&user, url);
		s->at = user.at;
		if (err)
			return err;
		s->at++;
	}
	if (unix_socket)
		return s->at == s->end ? AIBRIX_OK : AIBRIX_E_INVAL;
	return hosts_take(s, url);
}

static int
url_take(struct span *s, struct resp_url *url)
{
	const char *end = s->end;
	struct span part;
	int err, unix_socket = 0;

	err = scheme_take(s, url, &unix_socket);
	if (err)
		return err;
	part = (struct span){s->at, span_find(s, '?')};
	part.end = span_find(&part, '/');
	err = authority_take(&part, url, unix_socket);
	s->at = part.at;
	if (err)
		return err;
	part = (struct span){s->at, span_find(s, '?')};
	err = path_take(&part, url, unix_socket);
	s->at = part.at;
	if (err)
		return err;
	if (s->at < end) {
		s->at++;
		err = query_take(s, url);
	}
	/* A cluster has no other database. */
	return !err && url->cluster && url->db ? AIBRIX_E_INVAL : err;
}

int
aibrix__resp_url_parse(const char *text, struct resp_url *out,
		       size_t *err_offset)
{
	struct span s = {text, text};
	int err = AIBRIX_E_INVAL;

	memset(out, 0, sizeof(*out));
	if (text) {
		s.end = text + strnlen(text, RESP_URL_TEXT + 1);
		if (s.end - s.at <= RESP_URL_TEXT)
			err = url_take(&s, out);
	}
	if (err)
		*err_offset = text ? (size_t)(s.at - text) : 0;
	return err;
}
