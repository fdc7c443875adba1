// SPDX-License-Identifier: GPL-3.0-or-later
// What the entries of a table proof are made of.
pragma circom 2.1.6;

include "babyjub.circom";
include "bitify.circom";
include "eddsaposeidon.circom";
include "poseidon.circom";

// The leaf of an account: Poseidon(key x, key y, balance, nonce). Where there is none it is 0.
template AccountLeaf() {
    signal input vacant; // 0 or 1
    signal input key[2];
    signal input balance;
    signal input nonce;
    signal output leaf;

    signal hash <== Poseidon(4)([key[0], key[1], balance, nonce]);
    leaf <== (1 - vacant) * hash;
}

// The roots of a tree before and after one leaf changes: one path, walked twice with the same
// siblings, so that nothing else in the tree can have changed.
template LeafUpdate(depth) {
    signal input index; // range-checked here
    signal input siblings[depth];
    signal input before;
    signal input after;
    signal output rootBefore;
    signal output rootAfter;

    signal right[depth] <== Num2Bits(depth)(index); // bit 1: our node is the right child
    signal old[depth + 1];
    signal new[depth + 1];
    signal oldShift[depth];
    signal newShift[depth];
    old[0] <== before;
    new[0] <== after;
    for (var level = 0; level < depth; level++) {
        oldShift[level] <== right[level] * (siblings[level] - old[level]);
        newShift[level] <== right[level] * (siblings[level] - new[level]);
        old[level + 1] <== Poseidon(2)([
            old[level] + oldShift[level], siblings[level] - oldShift[level]
        ]);
        new[level + 1] <== Poseidon(2)([
            new[level] + newShift[level], siblings[level] - newShift[level]
        ]);
    }
    rootBefore <== old[depth];
    rootAfter <== new[depth];
}

// Demands a difference that is not zero, if asked to: only then has it an inverse.
template Differ() {
    signal input asked; // 0 or 1
    signal input difference;

    signal inverse <-- asked == 1 && difference != 0 ? 1 / difference : 0;
    difference * inverse === asked;
}

// The same for one of two differences.
template DifferInOne() {
    signal input asked; // 0 or 1
    signal input difference[2];

    // If the first is zero, the second has to have the inverse.
    signal inverse[2];
    inverse[0] <-- asked == 1 && difference[0] != 0 ? 1 / difference[0] : 0;
    inverse[1] <-- asked == 1 && difference[0] == 0 ? 1 / difference[1] : 0;
    signal part <== difference[0] * inverse[0];
    difference[1] * inverse[1] === asked - part;
}

// The account's key signed the transaction, for this chain and this venue.
template Authorisation() {
    signal input signed; // 0: nobody did, and nothing is demanded of key and signature
    signal input chainId;
    signal input venue;
    signal input rollup;
    signal input account;
    signal input data[5]; // length, head, and three words
    signal input nonce;
    signal input key[2];
    signal input signature[3]; // R8 x, R8 y, S

    // An account without a key has its owner in its place. The neutral point stands in for that.
    signal point[2];
    point[0] <== signed * key[0];
    point[1] <== signed * (key[1] - 1) + 1;
    // circomlib's verifier takes both points on trust; off the curve its addition law proves
    // nothing.
    BabyCheck()(point[0], point[1]);
    BabyCheck()(signature[0], signature[1]);
    var tag = 149467717543287423666649427244249263921; // "proofwire/l2tx/1" as an integer
    signal message <== Poseidon(11)([
        tag, chainId, venue, rollup, account, data[0], data[1], data[2], data[3], data[4], nonce
    ]);
    EdDSAPoseidonVerifier()(
        signed, point[0], point[1], signature[2], signature[0], signature[1], message
    );
}

// Demands a number above a limit, if asked to: `measured` is an integer below the field order, and
// `over` is that less the first number above its limit, computed in the field. Limits are far below
// 2^252.
template Above() {
    signal input asked; // 0 or 1
    signal input measured; // zero if not asked
    signal input over; // zero if not asked

    // What is left over fits 253 bits, or the number does when counted down from the field's last.
    // Both mean that it is above, since neither can have wrapped; together they cover every number.
    signal huge <-- asked * ((over >> 253) & 1);
    huge * (asked - huge) === 0;
    signal distance <== over + huge * (-1 - measured - over);
    _ <== Num2Bits(253)(distance);
}
