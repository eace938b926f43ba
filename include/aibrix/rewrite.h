/*
 * Bodies of requests, for engines that prefill in one pod and decode in
 * another: what the prefill pod is asked, and what the decode pod is asked
 * once the prefill has answered.  And the text of a body that routing looks
 * at.
 *
 * A body is edited as bytes.  Members that are not edited keep their bytes,
 * their order and the blanks around them, so that both engines make the same
 * tokens of the same messages, and numbers never become doubles.  A member
 * that is set keeps its place; a new one comes last; one that is dropped
 * goes with its comma.
 *
 * Nothing allocates, nothing keeps state.  Every byte of a body and of a
 * response is hostile: UTF-8 is checked, nesting is limited to 64.
 *
 * (Source of names and values: AIBrix pkg/plugins/gateway/algorithms/pd.)
 */
#ifndef AIBRIX_REWRITE_H
#define AIBRIX_REWRITE_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	AIBRIX_REWRITE_VLLM = 0,
	AIBRIX_REWRITE_SGLANG = 1,
	AIBRIX_REWRITE_TRTLLM = 2,
	AIBRIX_REWRITE_OTHER = 3 /* common members only */
};

/* How KV gets from one vLLM to the other. */
enum {
	AIBRIX_REWRITE_SHFS = 0, /* vLLM's NixlConnector takes the same */
	AIBRIX_REWRITE_NIXL = 1, /* on AWS Neuron */
	AIBRIX_REWRITE_MOONCAKE = 2
};

enum {
	/* TensorRT-LLM: both pods are asked at once.  The response is what the
	   prefill pod says to GET /server_info; it may be kept for as long as
	   the pod's containers live, a minute, say. */
	AIBRIX_REWRITE_GENERATION_FIRST = 1
};

/* Which interface a body is of. */
enum {
	AIBRIX_REWRITE_CHAT = 0,      /* also Anthropic's /v1/messages */
	AIBRIX_REWRITE_COMPLETION = 1,
	AIBRIX_REWRITE_RESPONSES = 2,
	AIBRIX_REWRITE_RERANK = 3,
	AIBRIX_REWRITE_CLASSIFY = 4,
	AIBRIX_REWRITE_NO_TEXT = 5    /* embeddings, images, audio */
};

enum {
	AIBRIX_REWRITE_PIECES_MAX = 64, /* no body has more */
	AIBRIX_REWRITE_TEXT_MAX = 8192, /* bytes that are new in a body */
	AIBRIX_REWRITE_NAME_MAX = 256   /* bytes of the strings in options */
};

/* Strings are UTF-8, not empty; they are borrowed for the call. */
typedef struct aibrix_rewrite_opts {
	uint32_t size;
	uint32_t engine;    /* AIBRIX_REWRITE_VLLM and others */
	uint32_t connector; /* of vLLM: AIBRIX_REWRITE_SHFS and others */
	uint32_t api;       /* CHAT or COMPLETION, for TRT-LLM's token ids */
	uint32_t port;      /* of the prefill pod's bootstrap; 0: 8998 */
	uint32_t flags;     /* AIBRIX_REWRITE_GENERATION_FIRST */
	/* address of the prefill pod: for SGLang, and to decode with shfs and
	   mooncake */
	const char *host;
	/* SGLang: bootstrap_room, see aibrix_rewrite_room; TRT-LLM:
	   disagg_request_id, see aibrix_rewrite_trt_id; below 2^63 */
	uint64_t id;
	const char *request_id; /* mooncake: the transfer is "xfer-" and it */
	const char *engine_id;  /* mooncake, to decode: the prefill pod's */
	/* SGLang: the engine's name for the request, for /abort_request.  Of
	   two, none may be the beginning of the other.  NULL: not set */
	const char *rid;
	uint64_t max_bytes; /* of a body or response; 0: 64 MiB */
} aibrix_rewrite_opts;

/*
 * Frozen: 16 bytes, and where pointers have 64 bits laid out as a struct
 * iovec.
 */
typedef struct aibrix_rewrite_piece {
	const void *at;
	uint64_t n;
} aibrix_rewrite_piece;

/* What is wrong with an input.  Numbers are stable. */
enum {
	AIBRIX_REWRITE_WHY_NONE = 0,
	AIBRIX_REWRITE_WHY_BYTES = 1,  /* more than max_bytes */
	AIBRIX_REWRITE_WHY_JSON = 2,   /* no JSON, no UTF-8, nested too deep */
	AIBRIX_REWRITE_WHY_OBJECT = 3, /* not an object */
	AIBRIX_REWRITE_WHY_TWICE = 4,  /* a member that is edited or read */
	AIBRIX_REWRITE_WHY_TYPE = 5,   /* a member is no such thing */
	AIBRIX_REWRITE_WHY_MISSING = 6 /* a member, or all it could hold */
};

/*
 * Where a body goes.  Two ways:
 *
 *   pieces NULL   text becomes the body.
 *   else          the body is pieces in their order, for writev: parts of
 *                 the inputs, and of text, which takes what is new.  They
 *                 are borrowed from the inputs and text.  PIECES_MAX and
 *                 TEXT_MAX are always enough.
 *
 * text must not overlap an input.
 */
typedef struct aibrix_rewrite_out {
	uint32_t size;
	uint32_t pieces_cap;
	char *text;
	uint64_t text_cap;
	aibrix_rewrite_piece *pieces;
	/* results */
	uint64_t bytes;      /* of the body */
	uint64_t text_bytes; /* in text; also set with E_SPACE: needed */
	uint32_t n_pieces;   /* likewise; 0 when pieces is NULL */
	/* with E_PARSE, when nothing else is set; else 0 */
	uint32_t why;    /* AIBRIX_REWRITE_WHY_* */
	uint32_t input;  /* of which: 0 the body, 1 the response */
	uint32_t spare;
	uint64_t offset; /* in it */
} aibrix_rewrite_out;

/*
 * What the prefill pod is asked: one token, no stream, and what the engine
 * needs to keep the KV for somebody else.
 *
 * Fails: E_PARSE (out->why, input, offset: answer 400), E_SPACE (out->
 * text_bytes, n_pieces), E_INVAL (options: unknown numbers, a string that is
 * missing, empty, too long or not UTF-8, id beyond 2^63), E_ABI.
 * Cost: one pass over the body, no allocation.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_rewrite_prefill(const aibrix_rewrite_opts *opts, const void *body,
		       size_t n, aibrix_rewrite_out *out);

/*
 * What the decode pod is asked.  response is the prefill pod's answer, a
 * JSON object or server-sent events; SGLang and mooncake need none (NULL,
 * 0).  Without parameters in it the request is as the client's, and the
 * decode pod computes the prompt itself; with GENERATION_FIRST it must have
 * them.
 *
 * A client's own values of members that speak about the transfer never reach
 * an engine.
 *
 * Fails, cost: as aibrix_rewrite_prefill, and a pass over the response.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_rewrite_decode(const aibrix_rewrite_opts *opts, const void *body,
		      size_t n, const void *response, size_t n_response,
		      aibrix_rewrite_out *out);

/*
 * The parameters in a prefill's response, as they are there: an object,
 * "kv_transfer_params" of vLLM, "disaggregated_params" of TRT-LLM.  Borrowed
 * from response.  Of server-sent events the last that has them counts.  out
 * may be NULL; it takes why, input and offset.
 *
 * Fails: E_NOT_FOUND (none there, or null; engines without any), E_PARSE,
 * E_INVAL, E_ABI.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_rewrite_params(const aibrix_rewrite_opts *opts, const void *response,
		      size_t n, aibrix_rewrite_piece *params,
		      aibrix_rewrite_out *out);

/*
 * The text of a body that routing looks at, into out->text: contents of
 * messages joined by blanks, strings as what they mean, anything else as its
 * JSON; a prompt; a query and documents.  opts: api and max_bytes.
 * out->pieces must be NULL.
 *
 * Fails: E_PARSE, E_SPACE (out->text_bytes; text is untouched), E_INVAL
 * (api; pieces), E_ABI.
 * Cost: O(n), no allocation.
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_rewrite_message(const aibrix_rewrite_opts *opts, const void *body,
		       size_t n, aibrix_rewrite_out *out);

/*
 * The connector that a pod's label means, in any case; otherwise for NULL
 * and for names that are none.
 *
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API uint32_t aibrix_rewrite_connector(const char *name,
					     uint32_t otherwise);

/* The engine that a pod's label means; NULL: vLLM, unknown: OTHER.
 * Thread: any.  Since: 0.1. */
AIBRIX_API uint32_t aibrix_rewrite_engine(const char *name);

/*
 * A number for disagg_request_id, as AIBrix makes it: now_ms since 1970,
 * of which 41 bits since 2023 count, machine, and the caller's counter of
 * requests, of which 12 bits count.  Never below 2^42: TRT-LLM takes those
 * for a worker's own.
 *
 * Fails: E_INVAL (machine above 1023).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_rewrite_trt_id(int64_t now_ms,
						  uint32_t machine,
						  uint64_t counter,
						  uint64_t *id);

/*
 * A room of SGLang from 64 random bits.  Engines with ranks data-parallel
 * ranks serve it on rank room % ranks: prefill and decode must have the same
 * number.  ranks 0: 1.
 *
 * Fails: E_INVAL (rank is not below ranks).
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_rewrite_room(uint64_t entropy,
						uint32_t ranks, uint32_t rank,
						uint64_t *room);

#ifdef __cplusplus
}
#endif

#endif
