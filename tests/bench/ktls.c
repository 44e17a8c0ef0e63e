/*
 * What kernel TLS would save: an echo over one connection without TLS, with OpenSSL, and with
 * OpenSSL that leaves the records to the kernel where that takes them. To run by hand on a kernel
 * that has the `tls` module:
 *
 *     bench_ktls CERTIFICATE KEY plain|openssl|kernel BYTES MESSAGES 1.2|1.3
 *
 * The client is a child process. Prints which directions the kernel took over, and the server's
 * processor time a message.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE_MAX 16384

static char buffer[1 << 20];

struct stream {
    int fd;
    SSL *ssl; /* NULL: without TLS */
};

static void
insist(bool condition, const char *what)
{
    if (!condition) {
        perror(what);
        exit(1);
    }
}

static void
receive(const struct stream *stream, size_t size)
{
    for (size_t got = 0; got < size;) {
        ssize_t more = stream->ssl == NULL ? recv(stream->fd, buffer + got, size - got, 0)
                                           : SSL_read(stream->ssl, buffer + got, (int)(size - got));
        insist(more > 0, "receive");
        got += (size_t)more;
    }
}

static void
transmit(const struct stream *stream, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        size_t piece = size - sent < PIECE_MAX ? size - sent : PIECE_MAX;
        ssize_t more = stream->ssl == NULL ? send(stream->fd, buffer + sent, size - sent, 0)
                                           : SSL_write(stream->ssl, buffer + sent, (int)piece);
        insist(more > 0, "send");
        sent += (size_t)more;
    }
}

static void
run_client(const struct sockaddr_in *address, bool tls, size_t size, long messages)
{
    int on = 1;
    struct stream stream = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    insist(connect(stream.fd, (const struct sockaddr *)address, sizeof *address) == 0, "connect");
    setsockopt(stream.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (tls) {
        stream.ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
        SSL_set_fd(stream.ssl, stream.fd);
        insist(SSL_connect(stream.ssl) == 1, "the client's handshake");
    }
    for (long i = 0; i < messages; i++) {
        transmit(&stream, size);
        receive(&stream, size);
    }
}

static SSL *
shake(int fd, char **argv, bool kernel, bool old)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    int version = old ? TLS1_2_VERSION : TLS1_3_VERSION;
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:!AES256");
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_num_tickets(context, 0);
    insist(SSL_CTX_use_certificate_file(context, argv[1], SSL_FILETYPE_PEM) == 1, argv[1]);
    insist(SSL_CTX_use_PrivateKey_file(context, argv[2], SSL_FILETYPE_PEM) == 1, argv[2]);
    if (kernel) {
        SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
    }
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    insist(SSL_accept(ssl) == 1, "the server's handshake");
    return ssl;
}

static double
cpu_us(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void
run_server(int fd, SSL *ssl, size_t size, long messages)
{
    struct stream stream = {fd, ssl};
    double start = 0;
    for (long i = 0; i < messages + messages / 10; i++) {
        if (i == messages / 10) {
            start = cpu_us(); /* warm by now */
        }
        receive(&stream, size);
        transmit(&stream, size);
    }
    bool sends = ssl != NULL && BIO_get_ktls_send(SSL_get_wbio(ssl));
    bool receives = ssl != NULL && BIO_get_ktls_recv(SSL_get_rbio(ssl));
    printf("%zu bytes, %s: the kernel sends: %s, receives: %s; %.3f us a message\n", size,
           ssl == NULL ? "plain" : SSL_get_version(ssl), sends ? "yes" : "no",
           receives ? "yes" : "no", (cpu_us() - start) / (double)messages);
}

int
main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int on = 1;
    if (argc != 7) {
        fprintf(stderr, "usage: %s CERTIFICATE KEY plain|openssl|kernel BYTES MESSAGES 1.2|1.3\n",
                argv[0]);
        return 2;
    }
    bool tls = strcmp(argv[3], "plain") != 0;
    size_t size = strtoul(argv[4], NULL, 10);
    long messages = strtol(argv[5], NULL, 10);
    insist(size > 0 && size <= sizeof buffer, "1 to 1048576 bytes");
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    insist(bind(listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    insist(listen(listener, 1) == 0, "listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    pid_t client = fork();
    if (client == 0) {
        run_client(&address, tls, size, messages + messages / 10);
        return 0;
    }
    int fd = accept(listener, NULL, NULL);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bool kernel = strcmp(argv[3], "kernel") == 0;
    SSL *ssl = tls ? shake(fd, argv, kernel, strcmp(argv[6], "1.2") == 0) : NULL;
    run_server(fd, ssl, size, messages);
    waitpid(client, NULL, 0);
    return 0;
}
