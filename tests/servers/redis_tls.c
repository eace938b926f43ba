/*
 * Certificates for one server: an authority, what it signed for the server and
 * for a client, and an authority that nobody should trust.  Elliptic keys,
 * since RSA would take most of the test's time.
 */

#include "redis_internal.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 160, OUTPUT_BYTES = 400 };

#define NEW_KEY                                                                \
	"openssl", "req", "-newkey", "ec", "-pkeyopt",                         \
		"ec_paramgen_curve:prime256v1", "-nodes"

static int
failed(struct redis_server *server, const char *output)
{
	return redis__reason(server->reason, sizeof(server->reason),
			     REDIS_FAILED, "openssl: %s", output);
}

/* folder/name.suffix */
static void
path_of(const struct redis_server *server, const char *name, const char *suffix,
	char path[static PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/%s.%s", server->folder, name, suffix);
}

static int
authority(struct redis_server *server, const char *name)
{
	char key[PATH_BYTES], crt[PATH_BYTES], output[OUTPUT_BYTES];
	const char *const argv[] = {
		NEW_KEY, "-x509", "-keyout", key,     "-out",
		crt,     "-days", "2",       "-subj", "/CN=tests' authority",
		NULL};

	path_of(server, name, "key", key);
	path_of(server, name, "crt", crt);
	return redis_run(argv, output, sizeof(output)) ? failed(server, output)
						       : 0;
}

static int
signed_by_authority(struct redis_server *server, const char *name,
		    const char *alt_names, const char *days)
{
	char key[PATH_BYTES], csr[PATH_BYTES], crt[PATH_BYTES];
	char ca_key[PATH_BYTES], ca[PATH_BYTES], also[PATH_BYTES];
	char subject[64], output[OUTPUT_BYTES];
	const char *const request[] = {NEW_KEY, "-keyout", key,     "-out",
				       csr,     "-subj",   subject, "-addext",
				       also,    NULL};
	const char *const sign[] = {"openssl",
				    "x509",
				    "-req",
				    "-in",
				    csr,
				    "-CA",
				    ca,
				    "-CAkey",
				    ca_key,
				    "-out",
				    crt,
				    "-days",
				    days,
				    "-CAcreateserial",
				    "-copy_extensions",
				    "copyall",
				    NULL};

	path_of(server, name, "key", key);
	path_of(server, name, "csr", csr);
	path_of(server, name, "crt", crt);
	path_of(server, "ca", "key", ca_key);
	path_of(server, "ca", "crt", ca);
	snprintf(subject, sizeof(subject), "/CN=tests' %s", name);
	snprintf(also, sizeof(also), "subjectAltName=%s", alt_names);
	if (redis_run(request, output, sizeof(output)) ||
	    redis_run(sign, output, sizeof(output)))
		return failed(server, output);
	return 0;
}

static void
paths_copy(struct redis_server *to, const struct redis_server *from)
{
	memcpy(to->ca, from->ca, sizeof(to->ca));
	memcpy(to->client_cert, from->client_cert, sizeof(to->client_cert));
	memcpy(to->client_key, from->client_key, sizeof(to->client_key));
	memcpy(to->stranger_ca, from->stranger_ca, sizeof(to->stranger_ca));
}

int
redis__certificates(struct redis_server *server, const struct redis_opts *opts)
{
	const char *names = opts->tls_names;
	char path[512];
	int status;

	if (!redis__program("openssl", path, sizeof(path)))
		return redis__reason(server->reason, sizeof(server->reason),
				     REDIS_ABSENT, "openssl is not installed");
	if (!names)
		names = "IP:127.0.0.1,IP:::1,DNS:localhost";
	snprintf(server->ca, sizeof(server->ca), "%s/ca.crt", server->folder);
	snprintf(server->client_cert, sizeof(server->client_cert),
		 "%s/client.crt", server->folder);
	snprintf(server->client_key, sizeof(server->client_key),
		 "%s/client.key", server->folder);
	snprintf(server->stranger_ca, sizeof(server->stranger_ca),
		 "%s/stranger.crt", server->folder);
	if (opts->tls_like) {
		paths_copy(server, opts->tls_like);
		return 0;
	}
	status = authority(server, "ca");
	if (!status)
		status = authority(server, "stranger");
	if (!status)
		status = signed_by_authority(
			server, "server", names,
			opts->tls == REDIS_TLS_EXPIRED ? "-1" : "2");
	if (!status)
		status = signed_by_authority(server, "client", "DNS:client",
					     "2");
	return status;
}
