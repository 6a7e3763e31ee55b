/*
 * floor_clients: requests come from clients over a Unix socket, as they come to any proxy.
 *
 * What is added to the floor is what no proxy can do without: for each request one read and one
 * write, and the sleep and the wake-up between them. Of a request nothing is read but its id, and
 * every one is for the same URL; each client has one in flight, so that what a read gives is a
 * whole request. An answer has the status and the body. What load.c sends and takes, no more.
 */
#pragma once

/* Until the process is ended. `http`: "1.1" or "2". */
void floor_clients_serve(const char *http, const char *ca_file, const char *socket_path,
                         const char *url) __attribute__((noreturn));
