/* Options of the Redis and Valkey backend, checked and copied. */
#define _DEFAULT_SOURCE

#include "store/store_resp.h"

#include <string.h>

#include "base/log.h"
#include "base/versioned.h"

enum { CONNECTIONS_MAX = 64, PIPELINE_MAX = 16 };

#define SECOND_NS UINT64_C(1000000000)
#define MS_NS UINT64_C(1000000)
#define META_DEFAULT_NS (30 * SECOND_NS)
#define TIMEOUT_MAX_NS (3600 * SECOND_NS)
#define CONN_BYTES_DEFAULT (UINT64_C(32) << 20)

/* NULL leaves out as it is. */
static int
text_copy(const char *text, char *out, size_t cap, uint32_t *bytes)
{
	size_t n;

	if (!text)
		return AIBRIX_OK;
	n = strnlen(text, cap);
	if (n == cap)
		return AIBRIX_E_INVAL;
	memcpy(out, text, n + 1);
	*bytes = (uint32_t)n;
	return AIBRIX_OK;
}

static int
texts_copy(struct resp_config *c, const aibrix_resp_opts *o)
{
	uint32_t ignored = 0;
	int err;

	err = text_copy(o->prefix, c->prefix, sizeof(c->prefix),
			&c->prefix_bytes);
	if (!err)
		err = text_copy(o->suffix, c->suffix, sizeof(c->suffix),
				&c->suffix_bytes);
	if (!err)
		err = text_copy(o->user, c->url.user, sizeof(c->url.user),
				&ignored);
	if (!err)
		err = text_copy(o->password, c->url.password,
				sizeof(c->url.password), &ignored);
	if (!err)
		err = text_copy(o->meta_key, c->meta_key, sizeof(c->meta_key),
				&c->meta_key_bytes);
	if (!err && o->meta_key && c->meta_key_bytes == 0)
		err = AIBRIX_E_INVAL;
	/* AUTH needs one. */
	if (!err && c->url.user[0] && !c->url.password[0])
		err = AIBRIX_E_INVAL;
	return err;
}

static int
numbers_copy(struct resp_config *c, const aibrix_resp_opts *o)
{
	c->connections = o->connections ? o->connections : 8;
	c->pipeline = o->pipeline ? o->pipeline : 4;
	c->key_text = o->key_text;
	c->conn_bytes = o->conn_bytes ? o->conn_bytes : CONN_BYTES_DEFAULT;
	c->connect_timeout_ns =
		o->connect_timeout_ns ? o->connect_timeout_ns : SECOND_NS;
	/* FOREVER, too: instants are sums with it. */
	if (c->connect_timeout_ns > TIMEOUT_MAX_NS)
		c->connect_timeout_ns = TIMEOUT_MAX_NS;
	c->ttl_ms = o->ttl_ns / MS_NS;
	if (o->flags & AIBRIX_RESP_EPOCHS)
		c->epoch_ns = o->epoch_ns ? o->epoch_ns : SECOND_NS;
	if (o->meta_key)
		c->meta_ns = o->meta_ns ? o->meta_ns : META_DEFAULT_NS;
	c->breaker = (struct breaker_opts){
		.failures = o->failures,
		.failure_pct = o->failure_pct,
		.backoff_min_ns = o->backoff_min_ns,
		.backoff_max_ns = o->backoff_max_ns,
	};
	if (c->connections > CONNECTIONS_MAX || c->pipeline > PIPELINE_MAX ||
	    c->key_text > AIBRIX_RESP_HEX || (o->ttl_ns && !c->ttl_ms) ||
	    /* An answer that takes longer is too old when it comes. */
	    (c->epoch_ns && c->epoch_ns < MS_NS) ||
	    (c->meta_ns && c->meta_ns < MS_NS))
		return AIBRIX_E_INVAL;
	return AIBRIX_OK;
}

int
aibrix__resp_config_load(struct resp_config *config,
			 const aibrix_backend_conf *conf)
{
	aibrix_resp_opts o = {.size = sizeof(o)};
	size_t offset = 0;
	int err = AIBRIX_OK;

	if (conf->opts)
		err = aibrix__struct_load(
			&o, sizeof(o), conf->opts,
			STRUCT_UPTO(aibrix_resp_opts, meta_ns));
	if (err)
		return err;
	if (o.flags & ~(uint32_t)AIBRIX_RESP_EPOCHS || o.spare)
		return AIBRIX_E_ABI;
	err = aibrix__resp_url_parse(conf->path, &config->url, &offset);
	if (err) {
		/* Not the URL: it may hold a password. */
		aibrix__log(conf->log, AIBRIX_LOG_ERROR, LOG_STORE_URL,
			    "store: not opened: the URL is no address of "
			    "Redis from byte %zu on",
			    offset);
		return err;
	}
	err = texts_copy(config, &o);
	if (!err)
		err = numbers_copy(config, &o);
	if (!err && o.stream)
		err = aibrix__struct_load(&config->stream,
					  sizeof(config->stream), o.stream,
					  STRUCT_UPTO(aibrix_stream, stop));
	if (err)
		return err;
	/* Two maps, or a number without a place. */
	if (config->meta_ns && (config->url.cluster || config->epoch_ns))
		return AIBRIX_E_UNSUPPORTED;
	/* rediss:// without TLS would be a lie. */
	return config->url.tls && !config->stream.size ? AIBRIX_E_UNSUPPORTED
						       : AIBRIX_OK;
}

void
aibrix__resp_config_clear(struct resp_config *config)
{
	explicit_bzero(&config->url, sizeof(config->url));
}
