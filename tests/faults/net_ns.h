/*
 * Two network namespaces of a test's own and a cable between them, to be
 * pulled.
 *
 *   ours                                     theirs
 *   NET_NS_OURS, v0  ----- veth pair -----  v1, NET_NS_THEIRS
 *
 * The process moves into the first one; a server is started in the second
 * one.  Nothing is done to the network of this machine, neither has a name,
 * and both end with the last process in them: a test that is killed leaves
 * nothing.  Being root is enough, and so are user namespaces.
 */
#ifndef TESTS_FAULTS_NET_NS_H
#define TESTS_FAULTS_NET_NS_H

#define NET_NS_OURS "10.0.0.1"
#define NET_NS_THEIRS "10.0.0.2"

/* Which end of the cable. */
enum { NET_OURS = 0, NET_THEIRS = 1 };

struct net_ns {
	int spaces[2]; /* descriptors; theirs is for redis_opts.netns */
	int ends[2];   /* sockets that configure one end each */
	char reason[512];
};

/* In a process of one thread.  0; or -1, this machine cannot, for the
 * reason. */
int net_ns_open(struct net_ns *net);

/* Pull one end of the cable, or plug it in: 0, or -1. */
int net_ns_link(const struct net_ns *net, int end, int up);

/* How an end queues what leaves it, in the words of tc; NULL: as at first.
 * 0; or -1, the kernel has no such queue. */
int net_ns_queue(const struct net_ns *net, int end, const char *words);

/* Packets that the queue of that end has thrown away, or -1. */
long net_ns_dropped(const struct net_ns *net, int end);

#endif
