/*
 * What Prometheus is told: the scaler's own page, and for a gateway, which
 * pods are ready.
 *
 * As much of HTTP as a scrape needs.  Who asks has a few seconds and two
 * kilobytes for it, nothing waits for anybody, and more than a handful at
 * once are sent away.
 */
#include "live/live.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENT_SECONDS = 10, BACKLOG = 16 };

/* ---- the page ---- */

static int
gauge_write(aibrix_metric_text *text, const char *name, const char *help,
	    double value)
{
	int err = aibrix_metric_family(text, name, AIBRIX_METRIC_GAUGE, help);

	return err ? err : aibrix_metric_value(text, NULL, 0, value);
}

static int
count_write(aibrix_metric_text *text, const char *name, const char *help,
	    uint64_t count)
{
	int err = aibrix_metric_family(text, name, AIBRIX_METRIC_COUNTER, help);

	return err ? err : aibrix_metric_count(text, NULL, 0, count);
}

static int
pods_write(const live *l, aibrix_metric_text *text)
{
	static const struct {
		const char *name;
		live_phase phase;
	} phases[] = {{"waiting", LIVE_WAITING},
		      {"starting", LIVE_STARTING},
		      {"ready", LIVE_READY},
		      {"stopping", LIVE_STOPPING}};
	aibrix_label label = {"phase", NULL};
	char port[16];
	int err = aibrix_metric_family(text, "pods", AIBRIX_METRIC_GAUGE,
				       "Pods by what they do.");

	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
		label.value = phases[i].name;
		err |= aibrix_metric_count(text, &label, 1,
					   live_pods_count(l, phases[i].phase));
	}
	err |= aibrix_metric_family(text, "pod_ready", AIBRIX_METRIC_GAUGE,
				    "Whether the pod of a port is ready.");
	label = (aibrix_label){"port", port};
	for (uint32_t i = 0; i < l->n_pods; i++) {
		const live_pod *pod = &l->pods[i];

		if (pod->phase == LIVE_ABSENT)
			continue;
		snprintf(port, sizeof(port), "%u", (unsigned)pod->port);
		err |= aibrix_metric_count(text, &label, 1,
					   pod->phase == LIVE_READY);
	}
	return err;
}

static int
counts_write(const live *l, aibrix_metric_text *text)
{
	const live_counts *c = &l->counts;
	const struct {
		const char *name, *help;
		uint64_t count;
	} rows[] = {
		{"decisions", "Steps that were made.", c->decisions},
		{"invalid_decisions", "Steps that could decide nothing.",
		 c->invalid},
		{"pod_starts", "Processes that were started.", c->starts},
		{"pod_deaths", "Processes that ended unasked.", c->deaths},
		{"pod_kills", "Processes that did not end when asked.",
		 c->kills},
		{"pages", "Pages that were read.", c->pages},
		{"page_faults", "Pages that did not come or were none.",
		 c->faults},
		{"unsaved_states", "States that could not be written.",
		 c->unsaved},
	};
	int err = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		err |= count_write(text, rows[i].name, rows[i].help,
				   rows[i].count);
	return err;
}

static int
page_write(const live *l, aibrix_metric_text *text)
{
	int err = gauge_write(text, "replicas", "Pods that there should be.",
			      l->replicas);

	if (l->last.size) {
		err |= gauge_write(text, "wanted_replicas",
				   "Pods that the metrics want; -1: not asked.",
				   l->last.wanted);
		err |= gauge_write(text, "panic", "1: by a short window.",
				   l->last.panic != 0);
	}
	if (l->gateway.easy && l->queued_ns)
		err |= gauge_write(text, "queued_requests",
				   "Requests that wait at the gateway.",
				   l->queued);
	return err | pods_write(l, text) | counts_write(l, text);
}

/* Header and page, to be freed; NULL: no memory. */
static char *
answer_make(const live *l, size_t *n)
{
	enum { CAP = 64 << 10, HEAD = 256 };
	aibrix_metric_text text = {
		.size = sizeof(text), .cap = CAP, .prefix = "autoscale_"};
	char *page = malloc(CAP), *answer = malloc(CAP + HEAD);
	int head = 0;

	text.out = page;
	if (page && answer && page_write(l, &text) == AIBRIX_OK &&
	    aibrix_metric_end(&text) == AIBRIX_OK)
		head = snprintf(answer, HEAD,
				"HTTP/1.1 200 OK\r\n"
				"Content-Type: text/plain; version=0.0.4\r\n"
				"Content-Length: %llu\r\n"
				"Connection: close\r\n\r\n",
				(unsigned long long)text.n);
	if (head > 0) {
		memcpy(answer + head, page, text.n);
		*n = (size_t)head + text.n;
	} else {
		free(answer);
		answer = NULL;
	}
	free(page);
	return answer;
}

/* ---- who asks ---- */

static void
client_drop(live_client *client)
{
	close(client->fd);
	free(client->answer);
	client->answer = NULL;
	client->fd = -1;
}

static void
refuse(live_client *client, const char *status)
{
	char *answer = malloc(128);
	int n = answer ? snprintf(answer, 128,
				  "HTTP/1.1 %s\r\nContent-Length: 0\r\n"
				  "Connection: close\r\n\r\n",
				  status)
		       : 0;

	client->answer = answer;
	client->n = (size_t)n;
	client->at = 0;
}

static void
client_answer(const live *l, live_client *client)
{
	client->asked[client->n] = '\0';
	if (strncmp(client->asked, "GET /metrics ", 13) != 0 &&
	    strncmp(client->asked, "GET /metrics?", 13) != 0) {
		refuse(client, strncmp(client->asked, "GET ", 4) == 0
				       ? "404 Not Found"
				       : "405 Method Not Allowed");
		return;
	}
	client->at = 0;
	client->answer = answer_make(l, &client->n);
}

/* 0: there is no more of it now.  -1: it has gone. */
static int
client_read(const live *l, live_client *client)
{
	size_t room = sizeof(client->asked) - 1 - client->n;
	ssize_t got = recv(client->fd, client->asked + client->n, room, 0);

	if (got <= 0)
		return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	client->n += (size_t)got;
	client->asked[client->n] = '\0';
	if (strstr(client->asked, "\r\n\r\n"))
		client_answer(l, client);
	else if (client->n == sizeof(client->asked) - 1)
		refuse(client, "431 Request Header Fields Too Large");
	else
		return 0;
	return client->answer ? 0 : -1;
}

static int
client_write(live_client *client)
{
	ssize_t put = send(client->fd, client->answer + client->at,
			   client->n - client->at, MSG_NOSIGNAL);

	if (put < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	client->at += (size_t)put;
	return client->at == client->n ? -1 : 0;
}

static void
client_take(live *l, int fd, uint64_t now_ns)
{
	for (uint32_t i = 0; i < LIVE_CLIENTS_MAX; i++) {
		live_client *client = &l->clients[i];

		if (client->fd >= 0)
			continue;
		client->fd = fd;
		client->n = client->at = 0;
		client->until_ns =
			now_ns + (uint64_t)CLIENT_SECONDS * LIVE_SECOND_NS;
		return;
	}
	close(fd);
}

static int
client_accept(const live *l)
{
	int fd = accept(l->listen_fd, NULL, NULL);

	if (fd >= 0) {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, O_NONBLOCK);
	}
	return fd;
}

void
live_listen_serve(live *l, uint64_t now_ns)
{
	int fd;

	if (l->listen_fd < 0)
		return;
	while ((fd = client_accept(l)) >= 0)
		client_take(l, fd, now_ns);
	for (uint32_t i = 0; i < LIVE_CLIENTS_MAX; i++) {
		live_client *client = &l->clients[i];
		int gone = 0;

		if (client->fd < 0)
			continue;
		if (!client->answer)
			gone = client_read(l, client);
		if (!gone && client->answer)
			gone = client_write(client);
		if (gone || now_ns >= client->until_ns)
			client_drop(client);
	}
}

/* [ADDRESS:]PORT */
static int
address_read(const char *text, struct sockaddr_in *address)
{
	const char *colon = strrchr(text, ':');
	char host[64] = "127.0.0.1", *end;
	unsigned long port = strtoul(colon ? colon + 1 : text, &end, 10);

	if (colon)
		snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	*address = (struct sockaddr_in){.sin_family = AF_INET,
					.sin_port = htons((uint16_t)port)};
	return *end || port == 0 || port > 65535 ||
			       inet_pton(AF_INET, host, &address->sin_addr) != 1
		       ? -1
		       : 0;
}

int
live_listen_open(live *l)
{
	const char *text = l->options.listen;
	struct sockaddr_in address;
	int one = 1;

	for (uint32_t i = 0; i < LIVE_CLIENTS_MAX; i++)
		l->clients[i].fd = -1;
	if (!text)
		return 0;
	if (address_read(text, &address))
		return live_fail("listen", text,
				 "not of the form 9090 or 127.0.0.1:9090");
	l->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	if (l->listen_fd < 0)
		return live_fail("listen", text, strerror(errno));
	fcntl(l->listen_fd, F_SETFD, FD_CLOEXEC);
	fcntl(l->listen_fd, F_SETFL, O_NONBLOCK);
	setsockopt(l->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l->listen_fd, (const struct sockaddr *)&address,
		 sizeof(address)) != 0 ||
	    listen(l->listen_fd, BACKLOG) != 0)
		return live_fail("listen", text, strerror(errno));
	return 0;
}

void
live_listen_close(live *l)
{
	if (l->listen_fd < 0)
		return;
	for (uint32_t i = 0; i < LIVE_CLIENTS_MAX; i++)
		if (l->clients[i].fd >= 0)
			client_drop(&l->clients[i]);
	close(l->listen_fd);
	l->listen_fd = -1;
}
