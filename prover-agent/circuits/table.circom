// SPDX-License-Identifier: GPL-3.0-or-later
// The statement a table proof makes. README.md in this folder argues why it is enough.
pragma circom 2.1.6;

include "poseidon.circom";
include "ledger-entry.circom";

// A table of at most `entries` entries; the words of those it lacks are zero. Public: p, x, y (in
// this order).
template LedgerTable(entries, depth) {
    signal input p;
    signal input x;
    signal input y;
    signal input words[8 + 42 * entries];
    signal input flags[entries][24];
    signal input index[entries];
    signal input key[entries][2];
    signal input balance[entries];
    signal input nonce[entries];
    signal input pending[entries];
    signal input amount[entries];
    signal input signature[entries][3];
    signal input siblings[entries][depth];
    signal input creditedIndex[entries];
    signal input creditedKey[entries][2];
    signal input creditedBalance[entries];
    signal input creditedNonce[entries];
    signal input creditedPending[entries];
    signal input creditedSiblings[entries][depth];
    signal input from[entries];
    signal input to[entries];
    signal input paid[entries];

    // The header: chainId, venue, executor, first and last block, parent hash in two, program.
    signal chain[3 * entries + 1];
    chain[0] <== Poseidon(15)([
        0, words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7],
        0, 0, 0, 0, 0, 0
    ]);
    component entry[entries];
    component link[3 * entries];
    for (var i = 0; i < entries; i++) {
        entry[i] = LedgerEntry(depth);
        entry[i].chainId <== words[0];
        entry[i].venue <== words[1];
        entry[i].program <== words[7];
        for (var j = 0; j < 42; j++) {
            entry[i].words[j] <== words[8 + 42 * i + j];
        }
        for (var k = 3 * i; k < 3 * i + 3; k++) {
            link[k] = Poseidon(15);
            link[k].inputs[0] <== chain[k];
            for (var j = 0; j < 14; j++) {
                link[k].inputs[1 + j] <== words[8 + 14 * k + j];
            }
            chain[k + 1] <== link[k].out;
        }
        entry[i].flags <== flags[i];
        entry[i].index <== index[i];
        entry[i].key <== key[i];
        entry[i].balance <== balance[i];
        entry[i].nonce <== nonce[i];
        entry[i].pending <== pending[i];
        entry[i].amount <== amount[i];
        entry[i].signature <== signature[i];
        entry[i].siblings <== siblings[i];
        entry[i].creditedIndex <== creditedIndex[i];
        entry[i].creditedKey <== creditedKey[i];
        entry[i].creditedBalance <== creditedBalance[i];
        entry[i].creditedNonce <== creditedNonce[i];
        entry[i].creditedPending <== creditedPending[i];
        entry[i].creditedSiblings <== creditedSiblings[i];
        entry[i].from <== from[i];
        entry[i].to <== to[i];
        entry[i].paid <== paid[i];
    }

    p === chain[3 * entries];
    var count = 8 + 42 * entries;
    signal value[count + 1];
    value[count] <== 0;
    for (var i = count - 1; i >= 0; i--) {
        value[i] <== value[i + 1] * x + words[i];
    }
    y === value[0];
}
