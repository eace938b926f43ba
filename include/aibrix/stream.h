/*
 * How bytes get through a connection: a table between a store's client and
 * its sockets, so that TLS can stand there without the core knowing it.
 *
 * The client owns the socket, which is connected and does not block.  start
 * begins on it, handshake is called until it is AIBRIX_OK, then read and
 * write.  Nothing here waits.  Calls for one stream come one at a time.
 */
#ifndef AIBRIX_STREAM_H
#define AIBRIX_STREAM_H

#include <aibrix/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* With E_AGAIN: what the socket must become before the next call. */
enum { AIBRIX_WANT_READ = 1, AIBRIX_WANT_WRITE = 2 };

/*
 * handshake, read and write return AIBRIX_OK; E_AGAIN, with *want of
 * AIBRIX_WANT_*; E_CLOSED (the other side ended it); E_DENIED (it is not
 * who it should be); E_IO; E_NOMEM.  After anything but the first two the
 * stream can only be stopped.
 */
typedef struct aibrix_stream {
	uint32_t size;
	uint32_t flags; /* must be 0 */
	void *ctx;      /* for start */
	/* fd stays the caller's.  host: whom the other side must prove to
	 * be; borrowed for the call; "" for a Unix socket. */
	int (*start)(void *ctx, int fd, const char *host, void **stream);
	int (*handshake)(void *stream, uint32_t *want);
	/* *bytes > 0 of iov were filled in, or sent, in order.  What was
	 * sent may wait in the stream for the socket: watch it for both. */
	int (*read)(void *stream, const aibrix_iov *iov, uint32_t n_iov,
		    uint64_t *bytes, uint32_t *want);
	int (*write)(void *stream, const aibrix_iov *iov, uint32_t n_iov,
		     uint64_t *bytes, uint32_t *want);
	/* Bytes that read would give though the socket is quiet. */
	uint64_t (*pending)(const void *stream);
	/* Forget it; says goodbye if that does not block. */
	void (*stop)(void *stream);
} aibrix_stream;

#ifdef __cplusplus
}
#endif

#endif
