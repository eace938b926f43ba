/*
 * What went wrong, in the words of stream.h.
 *
 * OpenSSL tells by a queue of errors per thread, each with the part of it
 * that failed and a reason.  Only what a caller would act on differently is
 * told apart: out of memory; a certificate that one of the two sides does
 * not accept (E_DENIED, for people to put right); all else (E_IO).
 */

#include "tls/tls_internal.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "base/log.h"

static int
reason_denied(int reason)
{
	switch (reason) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED: return 1;
	default: return 0;
	}
}

/* Empties the queue. */
static int
queue_status(int otherwise, const char **text)
{
	int status = otherwise;
	unsigned long code;

	while ((code = ERR_get_error())) {
		int reason = ERR_GET_REASON(code);

		if (!*text && !ERR_SYSTEM_ERROR(code))
			*text = ERR_reason_error_string(code);
		if (reason == ERR_R_MALLOC_FAILURE)
			status = AIBRIX_E_NOMEM;
		else if (ERR_SYSTEM_ERROR(code) && status == AIBRIX_E_PARSE)
			status = AIBRIX_E_IO;
		else if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
			 reason_denied(reason) && status != AIBRIX_E_NOMEM)
			status = AIBRIX_E_DENIED;
	}
	return status;
}

int
aibrix__tls_load_error(void)
{
	const char *text = NULL;

	return queue_status(AIBRIX_E_PARSE, &text);
}

static void
end_count(struct stream *s, int status, const char *text)
{
	struct aibrix_tls *tls = s->tls;
	long verified = SSL_get_verify_result(s->ssl);

	count_add(&tls->counts.denied, status == AIBRIX_E_DENIED);
	count_add(&tls->counts.failed,
		  status != AIBRIX_E_DENIED && status != AIBRIX_E_CLOSED);
	if (status != AIBRIX_E_DENIED)
		return;
	if (verified != X509_V_OK)
		text = X509_verify_cert_error_string(verified);
	aibrix__log(&tls->log, AIBRIX_LOG_WARN, LOG_TLS_REFUSED,
		    "TLS with %s refused: %s; the connection is closed",
		    s->peer.host[0] ? s->peer.host : "any host",
		    text ? text : "no reason given");
}

int
aibrix__tls_stream_error(struct stream *s, int result, uint32_t *want)
{
	const char *text = NULL;

	switch (SSL_get_error(s->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		*want = AIBRIX_WANT_READ;
		return AIBRIX_E_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		*want = AIBRIX_WANT_WRITE;
		return AIBRIX_E_AGAIN;
	case SSL_ERROR_ZERO_RETURN: s->err = AIBRIX_E_CLOSED; break;
	default: s->err = queue_status(AIBRIX_E_IO, &text);
	}
	ERR_clear_error();
	end_count(s, s->err, text);
	return s->err;
}
