/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP segmentation (virtio 1.2 sections 5.1.3 and 5.1.6.2): a frame of up to 64 KiB becomes frames for the wire.
 *
 * The NIC segments if it can at the present link speed and can address all pieces; else this file does, and the NIC fills in
 * the checksums.  Either way the headers are copied and the payload is sent from the guest's pages.
 */
#include <veneer/err.h>
#include <veneer/string.h>
#include "inet.h"
#include "net.h"

#define ETH_LEN		14u
#define ETH_TYPE	12u
#define ETH_VLAN	0x8100u
#define ETH_IPV4	0x0800u
#define ETH_IPV6	0x86ddu
#define IP4_LEN		20u	/* without options */
#define IP4_TOTAL	2u
#define IP4_ID		4u
#define IP4_PROTO	9u
#define IP4_SUM		10u
#define IP6_LEN		40u
#define IP6_PAYLOAD	4u
#define PROTO_TCP	6u
#define TCP_LEN		20u	/* without options */
#define TCP_SEQ		4u
#define TCP_OFF		12u
#define TCP_FLAGS	13u
#define TCP_SUM		16u
#define TCP_FIN		BIT(0)
#define TCP_PSH		BIT(3)
#define TCP_CWR		BIT(7)

/* --- the guest's request --- */

static bool good_ip(const struct vnet_tso *t)
{
	const uint8_t *ip = t->hdr + t->ip;
	uint32_t len = t->tcp - t->ip;

	if (t->v6)
		return get16(ip - 2) == ETH_IPV6 && ip[0] >> 4 == 6 && len >= IP6_LEN;
	return get16(ip - 2) == ETH_IPV4 && ip[0] >> 4 == 4 && (ip[0] & 15u) * 4 == len && len >= IP4_LEN &&
	       ip[IP4_PROTO] == PROTO_TCP;
}

static bool good_type(const struct vnet *vn, struct vnet_tso *t, uint32_t gso_type)
{
	if ((gso_type & VIRTIO_NET_HDR_GSO_ECN) && !virtio_has(&vn->dev, VIRTIO_NET_F_HOST_ECN))
		return false;
	gso_type &= ~(uint32_t)VIRTIO_NET_HDR_GSO_ECN;
	t->v6 = gso_type == VIRTIO_NET_HDR_GSO_TCPV6;
	if (t->v6)
		return virtio_has(&vn->dev, VIRTIO_NET_F_HOST_TSO6);
	return gso_type == VIRTIO_NET_HDR_GSO_TCPV4 && virtio_has(&vn->dev, VIRTIO_NET_F_HOST_TSO4);
}

/* Copy the headers once, then parse the copy.  hdr_len of the guest is only a hint and is not used. */
bool vnet_tso_begin(struct vnet *vn, const struct virtq_chain *c, const struct virtio_net_hdr *h)
{
	struct vnet_tso *t = &vn->tso;
	uint32_t len = (uint32_t)c->out_len;

	*t = (struct vnet_tso){ .mss = h->gso_size, .tcp = h->csum_start };
	if (!good_type(vn, t, h->gso_type) || !(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || h->csum_offset != TCP_SUM)
		return false;
	if (c->out_len > NIC_TSO_MAX || t->tcp < ETH_LEN + IP4_LEN || t->tcp > VNET_TSO_HDR - TCP_LEN)
		return false;
	if (len <= t->tcp + TCP_LEN)
		return false;
	sg_copy_from(c->out, c->nout, 0, t->hdr, MIN(len, VNET_TSO_HDR));
	t->ip = get16(t->hdr + ETH_TYPE) == ETH_VLAN ? ETH_LEN + 4 : ETH_LEN;
	t->hdr_len = t->tcp + (uint32_t)(t->hdr[t->tcp + TCP_OFF] >> 4) * 4;
	if (t->hdr_len < t->tcp + TCP_LEN || t->hdr_len > VNET_TSO_HDR || t->hdr_len >= len)
		return false;
	if (!t->mss || t->mss > vn->frame_max - t->hdr_len || !good_ip(t))
		return false;
	t->payload = len - t->hdr_len;
	/* The sum of the pseudo header without its length field. */
	t->sum = fold(get16(t->hdr + t->tcp + TCP_SUM) + 0xffff - fold(len - t->tcp));
	t->piece_off = t->hdr_len;
	/* Segment here if CWR is set, which NICs would repeat in every segment, and if the frame makes only one segment. */
	t->cut = (t->hdr[t->tcp + TCP_FLAGS] & TCP_CWR) || t->payload <= t->mss;
	t->active = true;
	return true;
}

/* --- one segment --- */

static void make_ip(const struct vnet_tso *t, uint8_t *ip, uint32_t payload)
{
	uint32_t len = t->hdr_len - t->ip + payload;

	if (t->v6) {
		put16(ip + IP6_PAYLOAD, len - IP6_LEN);
		return;
	}
	put16(ip + IP4_TOTAL, len);
	put16(ip + IP4_ID, get16(ip + IP4_ID) + t->count);
	put16(ip + IP4_SUM, 0);
	put16(ip + IP4_SUM, ~sum_of(ip, t->tcp - t->ip));
}

static void make_tcp(const struct vnet_tso *t, uint8_t *tcp, uint32_t payload)
{
	uint32_t seq = (get16(tcp + TCP_SEQ) << 16 | get16(tcp + TCP_SEQ + 2)) + t->sent;

	put16(tcp + TCP_SEQ, seq >> 16);
	put16(tcp + TCP_SEQ + 2, seq);
	if (t->sent)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	if (t->sent + payload < t->payload)
		tcp[TCP_FLAGS] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	put16(tcp + TCP_SUM, fold(t->sum + t->hdr_len - t->tcp + payload));
}

/* Gather @n bytes of payload from @skip bytes on as pieces of guest memory.  Their number; 0: too many, or out of reach. */
static unsigned pieces(const struct vnet *vn, const struct virtq_chain *c, uint32_t skip, uint32_t n, struct sg *out)
{
	const struct vnet_tso *t = &vn->tso;
	int got = sg_slice(c->out + t->piece, c->nout - t->piece, t->piece_off + skip, n, out, NIC_MAX_FRAGS - 1);

	for (int i = 0; i < got; i++)
		if (!vnet_reaches(vn->nic, out[i].addr, out[i].len))
			return 0;
	return got < 0 ? 0 : (unsigned)got;
}

static void tso_advance(struct vnet_tso *t, const struct virtq_chain *c, uint32_t n)
{
	t->sent += n;
	t->count++;
	for (t->piece_off += n; t->piece < c->nout && t->piece_off >= c->out[t->piece].len; t->piece++)
		t->piece_off -= c->out[t->piece].len;
}

/* Send one segment, its headers in @buf: the payload from the guest's pages or, if that is impossible, copied to @buf. */
static int send_segment(struct vnet *vn, const struct virtq_chain *c, uint8_t *buf, uint32_t n, struct nic_tx *pkt)
{
	const struct vnet_tso *t = &vn->tso;
	struct sg frag[NIC_MAX_FRAGS] = { { (uintptr_t)buf, t->hdr_len } };
	unsigned more = pieces(vn, c, 0, n, frag + 1);
	int err = -ERR_INVAL;

	pkt->frag = frag;
	pkt->nfrag = 1 + more;
	if (more)
		err = nic_tx(vn->nic, 0, pkt);
	if (!err)
		vn->cnt_tx_zero_copy++;
	if (err != -ERR_INVAL)
		return err;
	sg_copy_from(c->out + t->piece, c->nout - t->piece, t->piece_off, buf + t->hdr_len, n);
	frag[0].len = pkt->len;
	pkt->nfrag = 1;
	err = nic_tx(vn->nic, 0, pkt);
	if (!err)
		vnet_count_copied(vn, pkt->len);
	return err;
}

static int next_segment(struct vnet *vn, const struct virtq_chain *c, uint8_t *buf, struct nic_tx *pkt)
{
	struct vnet_tso *t = &vn->tso;
	uint32_t n = MIN(t->mss, t->payload - t->sent);
	int err;

	make_ip(t, buf + t->ip, n);
	make_tcp(t, buf + t->tcp, n);
	pkt->len = t->hdr_len + n;
	if (t->sent + n < t->payload)
		pkt->token = vnet_tx_token(-1, vnet_pool_index(&vn->tx_pool, buf));
	err = send_segment(vn, c, buf, n, pkt);
	if (err)
		return err;
	vn->cnt_tx_segments++;
	tso_advance(t, c, n);
	return 0;
}

/* --- the whole frame, segmented by the NIC --- */

static int send_uncut(struct vnet *vn, const struct virtq_chain *c, uint8_t *buf, struct nic_tx *pkt)
{
	struct vnet_tso *t = &vn->tso;
	uint32_t pull = MIN(t->payload, NIC_TSO_PULL);
	struct sg frag[NIC_MAX_FRAGS] = { { (uintptr_t)buf, t->hdr_len + pull } };
	unsigned more = pieces(vn, c, pull, t->payload - pull, frag + 1);
	int err;

	if (!more)
		return -ERR_INVAL;
	put16(buf + t->ip + (t->v6 ? IP6_PAYLOAD : IP4_TOTAL), 0);
	if (!t->v6)
		put16(buf + t->ip + IP4_SUM, 0);
	put16(buf + t->tcp + TCP_SUM, t->sum);
	sg_copy_from(c->out, c->nout, t->hdr_len, buf + t->hdr_len, pull);
	pkt->frag = frag;
	pkt->nfrag = 1 + more;
	pkt->len = t->hdr_len + t->payload;
	pkt->flags |= t->v6 ? NIC_TX_TSO | NIC_TX_IPV6 : NIC_TX_TSO;
	pkt->ip_start = (uint8_t)t->ip;
	pkt->hdr_len = (uint8_t)t->hdr_len;
	pkt->mss = (uint16_t)t->mss;
	err = nic_tx(vn->nic, 0, pkt);
	if (err)
		return err;
	vn->cnt_tx_tso++;
	vn->cnt_tx_zero_copy++;
	t->sent = t->payload;
	return 0;
}

/* Send the next segment, or the whole frame, with the headers in a buffer of the pool. */
static int send_some(struct vnet *vn, const struct virtq_chain *c)
{
	struct vnet_tso *t = &vn->tso;
	int i = vnet_tx_buf(vn), err;
	struct nic_tx pkt = {
		.flags = NIC_TX_CSUM,
		.csum_start = (uint16_t)t->tcp,
		.csum_offset = TCP_SUM,
		.token = vnet_tx_token(c->head, i),
	};
	uint8_t *buf;

	if (i < 0)
		return -ERR_BUSY;
	buf = vnet_pool_buf(&vn->tx_pool, (unsigned)i);
	memcpy(buf, t->hdr, t->hdr_len);
	vn->tx_inflight++;	/* set before nic_tx(): the NIC may complete from inside */
	err = t->cut ? next_segment(vn, c, buf, &pkt) : send_uncut(vn, c, buf, &pkt);
	if (err) {
		vn->tx_inflight--;
		vnet_pool_put(&vn->tx_pool, (unsigned)i);
	}
	if (err != -ERR_INVAL || t->cut)
		return err;
	t->cut = true;
	return 0;
}

int vnet_tso_run(struct vnet *vn, struct virtq *q, const struct virtq_chain *c)
{
	struct vnet_tso *t = &vn->tso;
	int err = 0;

	while (t->sent < t->payload && !err)
		err = send_some(vn, c);
	if (err == -ERR_BUSY)
		return err;
	t->active = false;
	if (!err || !t->sent)
		return err;
	/* Not expected: the NIC accepted the first segment, and this one has the same form. */
	q->host->broken(q, "the NIC refuses a later segment of a frame");
	return 0;
}
