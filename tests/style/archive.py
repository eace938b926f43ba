#!/usr/bin/env python3
"""What the library's objects define, keep and call.

usage: archive.py names|statics|calls ARCHIVE

names    every global name begins with aibrix_, so that a static library
         does not meet its host's names
statics  no writable static: no object keeps state between calls
calls    an object calls what its module may call, and nothing else: no
         clock, environment, printing, threads, locale or allocation but
         where this file says so
"""
import re
import subprocess
import sys

PURE = """memchr memcmp memcpy memmove memset strchr strcmp strcspn strlen strncmp
    strnlen strrchr strspn ceil exp exp2 fabs floor fma fmax fmin fmod ldexp log log1p log2
    lround llround nearbyint pow rint round sqrt trunc""".split()
LOCKS = """pthread_mutex_destroy pthread_mutex_init pthread_mutex_lock
    pthread_mutex_trylock pthread_mutex_unlock pthread_rwlock_destroy
    pthread_rwlock_init pthread_rwlock_rdlock pthread_rwlock_unlock
    pthread_rwlock_wrlock""".split()
# By module; a file's row adds to its module's.
MAY_CALL = {
    "base/alloc": "madvise malloc free posix_memalign mallocx dallocx".split(),
    "base/cpu": ["getauxval"],
    "base/fence": ["syscall"],
    "base/log": ["vsnprintf"],
    "index": LOCKS,
    "limit": LOCKS,
    "pd": LOCKS,
    "route": LOCKS,
    "cache": LOCKS,
    "cache/cache_drive": ["pthread_cond_broadcast"],
    "cache/cache_wait": """clock_gettime close epoll_create1 epoll_ctl eventfd
        ppoll pthread_cond_broadcast pthread_cond_destroy pthread_cond_init
        pthread_cond_timedwait pthread_condattr_destroy pthread_condattr_init
        pthread_condattr_setclock read write""".split(),
    "pool": """clock_gettime close errno_location ftruncate madvise mbind memfd_create
        mmap mprotect munmap open read strstr sysconf""".split() + LOCKS,
    "rocksdb": """errno_location getpid mkdir rocksdb_block_based_options_create
        rocksdb_block_based_options_destroy
        rocksdb_block_based_options_set_filter_policy rocksdb_close
        rocksdb_delete rocksdb_filterpolicy_create_bloom_full rocksdb_free
        rocksdb_get_pinned rocksdb_key_may_exist rocksdb_open
        rocksdb_open_with_ttl rocksdb_options_create rocksdb_options_destroy
        rocksdb_options_set_blob_compression_type
        rocksdb_options_set_blob_file_size
        rocksdb_options_set_block_based_table_factory
        rocksdb_options_set_compression
        rocksdb_options_set_create_if_missing rocksdb_options_set_db_log_dir
        rocksdb_options_set_enable_blob_files
        rocksdb_options_set_enable_blob_gc
        rocksdb_options_set_info_log_level
        rocksdb_options_set_keep_log_file_num
        rocksdb_options_set_max_background_jobs
        rocksdb_options_set_max_open_files
        rocksdb_options_set_max_total_wal_size
        rocksdb_options_set_max_write_buffer_number
        rocksdb_options_set_min_blob_size
        rocksdb_options_set_target_file_size_base
        rocksdb_options_set_use_direct_io_for_flush_and_compaction
        rocksdb_options_set_use_direct_reads rocksdb_options_set_wal_dir
        rocksdb_options_set_write_buffer_size rocksdb_pinnableslice_destroy
        rocksdb_pinnableslice_value rocksdb_property_int
        rocksdb_readoptions_create rocksdb_readoptions_destroy
        rocksdb_readoptions_set_fill_cache
        rocksdb_readoptions_set_verify_checksums rocksdb_write
        rocksdb_writebatch_create rocksdb_writebatch_destroy
        rocksdb_writebatch_putv rocksdb_writeoptions_create
        rocksdb_writeoptions_destroy rocksdb_writeoptions_disable_WAL
        rocksdb_writeoptions_set_sync strstr""".split() +
        LOCKS,
    "crypt": """ERR_clear_error EVP_CIPHER_CTX_ctrl EVP_CIPHER_CTX_free
        EVP_CIPHER_CTX_new EVP_CIPHER_CTX_set_padding EVP_CIPHER_fetch
        EVP_CIPHER_free EVP_CipherFinal_ex EVP_CipherInit_ex2 EVP_CipherUpdate
        EVP_EncryptInit_ex2 EVP_EncryptUpdate OPENSSL_cleanse
        RAND_bytes""".split(),
    "tls": """BIO_clear_flags BIO_ctrl BIO_free BIO_get_data BIO_meth_free
        BIO_meth_new BIO_meth_set_ctrl BIO_meth_set_read BIO_meth_set_write
        BIO_new BIO_new_file BIO_new_mem_buf BIO_new_socket BIO_set_data
        BIO_set_flags BIO_set_init ERR_clear_error ERR_get_error
        ERR_reason_error_string EVP_PKEY_free PEM_read_bio_PrivateKey
        PEM_read_bio_X509 SSL_CTX_ctrl SSL_CTX_free SSL_CTX_get_cert_store
        SSL_CTX_load_verify_dir SSL_CTX_new SSL_CTX_sess_set_new_cb
        SSL_CTX_set_default_read_buffer_len SSL_CTX_set_default_verify_paths
        SSL_CTX_set_options SSL_CTX_set_verify SSL_CTX_use_PrivateKey
        SSL_CTX_use_certificate SSL_SESSION_free SSL_SESSION_is_resumable
        SSL_SESSION_up_ref SSL_ctrl SSL_do_handshake SSL_free SSL_get0_param
        SSL_get_error SSL_get_ex_data SSL_get_verify_result SSL_get_wbio
        SSL_has_pending SSL_new SSL_pending SSL_read_ex SSL_session_reused
        SSL_set_bio SSL_set_connect_state SSL_set_ex_data SSL_set_session
        SSL_shutdown SSL_write_ex TLS_client_method X509_STORE_add_cert
        X509_VERIFY_PARAM_set1_host X509_VERIFY_PARAM_set1_ip_asc
        X509_VERIFY_PARAM_set_hostflags X509_free
        X509_verify_cert_error_string errno_location getpeername inet_pton
        pthread_sigmask recv send sigaddset sigemptyset sigismember sigpending
        sigtimedwait""".split() + LOCKS,
    "zmq": """close epoll_create1 epoll_ctl epoll_wait errno_location
        zmq_bind zmq_close zmq_connect zmq_ctx_new zmq_ctx_term zmq_errno
        zmq_getsockopt zmq_msg_close zmq_msg_copy zmq_msg_data zmq_msg_init
        zmq_msg_init_size zmq_msg_more zmq_msg_move zmq_msg_recv zmq_msg_send
        zmq_msg_size zmq_send zmq_setsockopt
        zmq_socket zmq_socket_monitor""".split(),
    "config": ["explicit_bzero"],
    "zmq/zmq_pub": ["strstr"],
    "store/store_shfs": ["mkdirat"],
    "store/store_shfs_dir": """getpid linkat mkdirat renameat
        renameat2""".split(),
    "store/store_shfs_io": ["futimens"],
    "store/store_shfs_sweep": ["getdents64"],
    "store": """clock_gettime close eventfd fallocate fcntl fdatasync flock
        fstat fstatat fsync ftruncate link lseek lstat mmap munmap nanosleep open openat poll
        posix_fallocate pread preadv pwrite pwritev read rename unlink unlinkat
        write errno_location""".split() + LOCKS,
    "store/store": ["epoll_create1", "epoll_ctl"],
    "store/store_queue": """getpid pthread_cond_broadcast pthread_cond_destroy
        pthread_cond_init pthread_cond_timedwait pthread_cond_wait
        pthread_condattr_destroy pthread_condattr_init
        pthread_condattr_setclock""".split(),
    "store/net": """connect epoll_ctl freeaddrinfo getaddrinfo getpeername
        getsockopt readv sendmsg setsockopt socket""".split(),
    "store/resp_config": ["explicit_bzero"],
    "store/resp_conn": ["explicit_bzero"],
    "store/resp_lookup": """epoll_ctl pthread_cond_destroy pthread_cond_init
        pthread_cond_signal pthread_cond_wait""".split(),
    "store/store_resp": "epoll_create1 epoll_ctl epoll_wait getpid".split(),
    "store/store_carry": ["statx"],
    "store/store_uring": """getpid io_uring_get_sqe io_uring_peek_cqe
        io_uring_queue_exit io_uring_queue_init_params
        io_uring_register_buffers_sparse
        io_uring_register_buffers_update_tag io_uring_register_eventfd
        io_uring_submit io_uring_submit_and_wait_timeout
        __io_uring_get_cqe""".split(),
}
# Put there by compilers and linkers.
RUNTIME = re.compile(r"_GLOBAL_OFFSET_TABLE_|__assert_fail|__stack_chk_fail|"
                     r"__(popcount|clz|ctz)[sdt]i2|__aarch64_\w+|"
                     r"__u?(div|mod)ti3|__tls_get_addr")
WRITABLE = re.compile(r"\.(data|bss|tdata|tbss)\b(?!\.rel\.ro)")
MEMBER = re.compile(r"([^\s:()]+\.o)\b")


def tool(*args):
    return subprocess.run(args, capture_output=True, text=True,
                          check=True).stdout.splitlines()


def place(member):
    """module and module/file of an object: meson names base/alloc.c
    base_alloc.c.o, and what a module builds apart lies in lib/<module>/."""
    stem = member.split("/")[-1].split(".")[0]
    apart = re.search(r"lib/(\w+)/[^/]+/[^/]+$", member)
    module, _, file = ((apart[1], "", stem) if apart else
                       stem.partition("_"))
    return module, f"{module}/{file}"


def symbols(archive, *options):
    """(member, kind, name) of each line of nm."""
    for line in tool("nm", "-A", *options, archive):
        head, kind, name = re.match(r"(.*\S)\s+(\w)\s+(\S+)$", line).groups()
        head = re.sub(r"\s[0-9a-f]+$|:[0-9a-f]*$", "", head).strip(": ")
        yield MEMBER.findall(head.replace(":", " "))[-1], kind, name


def names(archive):
    for member, _, name in symbols(archive, "-g", "--defined-only"):
        if not name.startswith("aibrix_"):
            yield f"{member}: {name} does not begin with aibrix_"


def statics(archive):
    member = "?"
    for line in tool("size", "-A", archive):
        word = line.split()
        if "(ex " in line or line.endswith(":"):
            member = word[0]
        elif len(word) == 3 and WRITABLE.match(word[0]) and word[1] != "0":
            yield f"{member}: {word[1]} writable bytes in {word[0]}"


def plain(name):
    """The function behind a checked or large-file variant of it."""
    name = name.split("@")[0]
    name = re.sub(r"^__(\w+?)(_chk)?$", r"\1", name)
    return re.sub(r"64(_2)?$|_2$", "", name) if name[:1] != "_" else name


def calls(archive):
    for member, _, name in symbols(archive, "-u"):
        module, file = place(member)
        may = {*PURE, *MAY_CALL.get(module, ()), *MAY_CALL.get(file, ())}
        if not (name.startswith("aibrix_") or RUNTIME.fullmatch(name) or
                name in may or plain(name) in may):
            yield f"{member}: {file} must not use {name}"


def main():
    check = {"names": names, "statics": statics, "calls": calls}[sys.argv[1]]
    bad = list(check(sys.argv[2]))
    if not tool("ar", "t", sys.argv[2]):
        bad.append(f"{sys.argv[2]}: no objects")
    print("\n".join(bad))
    sys.exit(bool(bad))


main()
