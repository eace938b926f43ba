/*
 * Namespaces by unshare and setns; cable and addresses by ip, queues by tc.
 *
 * The flag of an interface is set by an ioctl, on a socket that belongs to its
 * namespace whoever uses it: that takes microseconds, where a program would
 * take longer than the outage it is to make.
 */
#define _GNU_SOURCE

#include "net_ns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "redis_tools.h"

__attribute__((format(printf, 2, 3))) static int
impossible(struct net_ns *net, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(net->reason, sizeof(net->reason), format, args);
	va_end(args);
	return -1;
}

/* A command, its words between blanks: its exit status, or -1. */
static int
command(const char *line, char *out, size_t cap)
{
	const char *argv[32] = {0};
	char copy[256], *rest = copy;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	while (n < 31 && (argv[n] = strtok_r(rest, " ", &rest)))
		n++;
	return redis_run(argv, out, cap);
}

static int
file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), good;

	if (fd < 0)
		return -1;
	good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return good ? 0 : -1;
}

/* A namespace of users in which we are root. */
static int
become_root(void)
{
	unsigned int user = geteuid(), group = getegid();
	char text[64];

	if (unshare(CLONE_NEWUSER))
		return -1;
	snprintf(text, sizeof(text), "0 %u 1", user);
	if (file_write("/proc/self/uid_map", text))
		return -1;
	/* Absent from old kernels, which do not ask for it. */
	(void)file_write("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "0 %u 1", group);
	return file_write("/proc/self/gid_map", text);
}

static int
namespace_new(struct net_ns *net, int end)
{
	if (unshare(CLONE_NEWNET))
		return -1;
	net->spaces[end] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	net->ends[end] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return net->spaces[end] < 0 || net->ends[end] < 0 ? -1 : 0;
}

/* Programs of the administrator are not in everybody's PATH. */
static void
path_extend(void)
{
	const char *path = getenv("PATH");
	char longer[4096];

	snprintf(longer, sizeof(longer), "%s:/usr/sbin:/sbin",
		 path ? path : "/usr/bin:/bin");
	setenv("PATH", longer, 1);
}

static int
commands(struct net_ns *net, const char *const *lines, size_t n)
{
	char out[256];

	for (size_t i = 0; i < n; i++)
		if (command(lines[i], out, sizeof(out)))
			return impossible(net, "%s: %.200s", lines[i], out);
	return 0;
}

static int
cable(struct net_ns *net)
{
	static const char *const left[] = {
		"ip address add " NET_NS_OURS "/24 dev v0", "ip link set lo up",
		"ip link set v0 up"};
	static const char *const right[] = {
		"ip address add " NET_NS_THEIRS "/24 dev v1",
		"ip link set lo up", "ip link set v1 up"};
	char text[128];
	const char *pair = text;

	/* We are in theirs. */
	snprintf(text, sizeof(text),
		 "ip link add v1 type veth peer name v0 netns /proc/%d/fd/%d",
		 (int)getpid(), net->spaces[NET_OURS]);
	if (commands(net, &pair, 1) || commands(net, right, 3))
		return -1;
	if (setns(net->spaces[NET_OURS], CLONE_NEWNET))
		return impossible(net, "setns: %s", strerror(errno));
	return commands(net, left, 3);
}

int
net_ns_open(struct net_ns *net)
{
	char out[256];

	memset(net, 0, sizeof(*net));
	path_extend();
	if (command("ip -V", out, sizeof(out)))
		return impossible(net, "ip (iproute2) is not installed");
	if (namespace_new(net, NET_OURS) &&
	    (become_root() || namespace_new(net, NET_OURS)))
		return impossible(net, "no network namespaces here: %s",
				  strerror(errno));
	if (namespace_new(net, NET_THEIRS))
		return impossible(net, "no second network namespace: %s",
				  strerror(errno));
	return cable(net);
}

int
net_ns_link(const struct net_ns *net, int end, int up)
{
	struct ifreq r = {.ifr_flags = 0};

	memcpy(r.ifr_name, end == NET_OURS ? "v0" : "v1", 3);
	if (ioctl(net->ends[end], SIOCGIFFLAGS, &r))
		return -1;
	r.ifr_flags =
		(short)(up ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP);
	return ioctl(net->ends[end], SIOCSIFFLAGS, &r);
}

/* tc, in the namespace of that end. */
static int
queue_command(const struct net_ns *net, int end, const char *verb,
	      const char *words, char *out, size_t cap)
{
	char line[160];
	int ret;

	snprintf(line, sizeof(line), "tc %s dev v%d %s", verb,
		 end == NET_OURS ? 0 : 1, words);
	if (setns(net->spaces[end], CLONE_NEWNET))
		return -1;
	ret = command(line, out, cap);
	if (setns(net->spaces[NET_OURS], CLONE_NEWNET))
		abort();
	return ret ? -1 : 0;
}

int
net_ns_queue(const struct net_ns *net, int end, const char *words)
{
	char text[128], out[256];

	snprintf(text, sizeof(text), "root %s", words ? words : "");
	return queue_command(net, end, words ? "qdisc replace" : "qdisc delete",
			     text, out, sizeof(out));
}

long
net_ns_dropped(const struct net_ns *net, int end)
{
	char out[2048];
	const char *at;

	if (queue_command(net, end, "-s qdisc show", "", out, sizeof(out)))
		return -1;
	at = strstr(out, "dropped ");
	return at ? atol(at + 8) : -1;
}
