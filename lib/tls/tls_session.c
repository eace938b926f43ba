/*
 * Sessions that may be resumed, one for each peer.
 *
 * A store has eight connections to a node and makes all of them anew when
 * the node was restarted.  A whole handshake costs the server a signature,
 * about a millisecond of the one thread that also serves requests; a resumed
 * one does not.  A session is of use to the same server only, so it is found
 * by address and by the host that was proven: exactly, since whoever takes
 * it up shows no certificate.
 *
 * TLS 1.3 sends tickets after the handshake, so that the first connections
 * to a node, made side by side, still are whole ones.
 */

#include "tls/tls_internal.h"

#include <string.h>

static int
peer_equal(const struct peer *a, const struct peer *b)
{
	return a->addr_bytes == b->addr_bytes &&
	       memcmp(&a->addr, &b->addr, a->addr_bytes) == 0 &&
	       strcmp(a->host, b->host) == 0;
}

/* The place of a peer, n of them: none. */
static uint32_t
peer_find(const struct aibrix_tls *tls, const struct peer *peer)
{
	uint32_t i = 0;

	while (i < PEERS &&
	       !(tls->kept[i].session && peer_equal(&tls->kept[i].peer, peer)))
		i++;
	return i;
}

/* Of SSL_CTX_sess_set_new_cb: 1 keeps the reference. */
int
aibrix__tls_session_new(SSL *ssl, SSL_SESSION *session)
{
	struct stream *s = SSL_get_app_data(ssl);
	struct aibrix_tls *tls = s->tls;
	SSL_SESSION *old;
	uint32_t i;

	if (s->peer.addr_bytes == 0 || !SSL_SESSION_is_resumable(session))
		return 0;
	pthread_mutex_lock(&tls->lock);
	i = peer_find(tls, &s->peer);
	if (i == PEERS) {
		i = tls->next;
		tls->next = (tls->next + 1) % PEERS;
	}
	old = tls->kept[i].session;
	tls->kept[i].peer = s->peer;
	tls->kept[i].session = session;
	pthread_mutex_unlock(&tls->lock);
	SSL_SESSION_free(old);
	return 1;
}

void
aibrix__tls_session_use(struct stream *s)
{
	struct aibrix_tls *tls = s->tls;
	SSL_SESSION *session = NULL;
	uint32_t i;

	if (s->peer.addr_bytes == 0)
		return;
	pthread_mutex_lock(&tls->lock);
	i = peer_find(tls, &s->peer);
	if (i < PEERS) {
		session = tls->kept[i].session;
		SSL_SESSION_up_ref(session);
	}
	pthread_mutex_unlock(&tls->lock);
	if (!session)
		return;
	/* Where that fails, it is a whole handshake. */
	(void)SSL_set_session(s->ssl, session);
	SSL_SESSION_free(session);
}

void
aibrix__tls_sessions_free(struct aibrix_tls *tls)
{
	for (uint32_t i = 0; tls->kept && i < PEERS; i++)
		SSL_SESSION_free(tls->kept[i].session);
}
