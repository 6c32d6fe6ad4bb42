/** Every text of the client, in English. A translation is another file with the same keys, chosen in `index.ts`. */

import type { Problem } from "../api/problem";
import { alternatives, count, date, duration, moment, size, speed } from "./format";

const files = (number: number): string => (number === 1 ? "1 file" : `${count(number)} files`);
const downloads = (number: number): string => (number === 1 ? "1 download" : `${count(number)} downloads`);

export const en = {
  product: "Longshore",
  titled: (title: string): string => `${title} – ${en.product}`,
  skip: "Skip to the content",

  navigation: {
    label: "Main",
    upload: "Upload",
    files: "Files",
  },

  theme: {
    label: "Theme",
    system: "System",
    light: "Light",
    dark: "Dark",
  },

  start: {
    loading: "Loading",
    unreachable: "The server cannot be reached.",
    retrying: "Trying again every few seconds.",
    retry: "Try now",
  },

  network: {
    offline: "You are offline. Uploads go on when the connection is back.",
  },

  account: {
    menu: (name: string): string => `Account of ${name}`,
    signOut: "Sign out",
    signOutTitle: "Sign out with unfinished uploads?",
    signOutText: (number: number): string =>
      `${number === 1 ? "An upload is" : `${count(number)} uploads are`} not finished. What has arrived is kept: sign in` +
      " again and choose the same files, and they go on where they stopped.",
    signOutFailed: "You are still signed in: the server could not be reached.",
  },

  password: {
    title: "Change the password",
    text: "Uploads go on meanwhile. Other browsers, devices and scripts have to sign in again.",
    current: "Current password",
    next: "New password",
    submit: "Change it",
    submitting: "Changing it",
    done: "Your password is changed. You stay signed in here.",
  },

  signIn: {
    title: "Sign in",
    againTitle: "Sign in again",
    againText: "Your session has ended. Uploads wait, and go on as soon as you are signed in.",
    username: "User name",
    password: "Password",
    showPassword: "Show the password",
    submit: "Sign in",
    submitting: "Signing in",
    toRegister: "Create an account",
    someoneElse: "Sign in as somebody else",
    tokenTitle: "Sign in with a token",
    tokenText:
      "Accounts of this server are kept by another service. Get an access token there and paste it here. It stays in" +
      " this page's memory, and is asked for again when it ends.",
    token: "Access token",
    tokenSubmit: "Use this token",
  },

  register: {
    title: "Create an account",
    submit: "Create account",
    submitting: "Creating the account",
    invitation: "Invitation code",
    invitationHint: "The code that somebody who runs this server gave you.",
    passwordHint: "At least 8 characters.",
    toSignIn: "I have an account",
  },

  upload: {
    title: "Upload",
    drop: "Drop files or folders here",
    /** Where nothing can be dropped. */
    choose: "Choose files to upload",
    dropAnywhere: "Drop to upload",
    or: "or",
    chooseFiles: "Choose files",
    chooseFolder: "Choose a folder",
    resumes: "A lost connection, a closed tab or a restarted server costs nothing: what has arrived is not sent again.",
    rules: {
      label: "What may be uploaded",
      formats: (extensions: readonly string[]): string => `Formats: ${extensions.join(", ")}`,
      anyFormat: "All formats",
      maxSize: (bytes: number): string => `Up to ${size(bytes)} each`,
      anySize: "Any size",
    },
    quotas: {
      label: "Your quotas",
      daily: "Daily quota",
      monthly: "Monthly quota",
      stored: "Stored",
      unfinished: "Unfinished uploads",
      left: (used: number, limit: number): string => `${size(Math.max(0, limit - used))} of ${size(limit)} left`,
      leftCount: (used: number, limit: number): string => `${count(Math.max(0, limit - used))} of ${count(limit)} left`,
      resets: (time: string): string => `Resets on ${moment(time)}`,
    },
    list: {
      label: "Uploads",
      empty: "Nothing is being uploaded. Drop files anywhere on this page, or choose some above.",
      emptyTouch: "Nothing is being uploaded. Choose some files above.",
      summary: (done: number, total: number): string => `${count(done)} of ${files(total)} finished`,
      pauseAll: "Pause all",
      resumeAll: "Resume all",
      retryAll: "Retry all",
      clear: "Clear finished",
      more: (number: number): string => `${files(number)} more`,
      progress: "Progress of all",
    },
    item: {
      pause: (name: string): string => `Pause ${name}`,
      resume: (name: string): string => `Resume ${name}`,
      retry: (name: string): string => `Retry ${name}`,
      cancel: (name: string): string => `Cancel ${name}`,
      remove: (name: string): string => `Remove ${name} from the list`,
      show: (name: string): string => `Show ${name}`,
      /** What the buttons do, for those who point at them. */
      titles: { pause: "Pause", resume: "Resume", retry: "Retry", cancel: "Cancel", remove: "Remove from the list", show: "Show" },
      progress: (name: string): string => `Progress of ${name}`,
      chooseAgain: "Choose it again",
      chooseAgainText:
        "The page was closed, and browsers keep only small files. Choose this one again, and it goes on where it stopped.",
      sent: (sent: number, total: number): string => `${size(sent)} of ${size(total)}`,
      pace: (bytesPerSecond: number, secondsLeft: number | null): string =>
        speed(bytesPerSecond) + (secondsLeft === null ? "" : `, ${duration(secondsLeft)} left`),
      states: {
        queued: "Waiting its turn",
        checking: "Looking where it stopped",
        uploading: "Uploading",
        stalled: "Stalled, waiting for the network",
        finishing: "Being checked",
        waiting: "No connection, trying again",
        "signed-out": "Waiting for you to sign in",
        paused: "Paused",
        failed: "Failed",
        lost: "Waiting for the file",
        done: "Uploaded",
      },
    },
    cancel: {
      title: "Cancel this upload?",
      text: (name: string, sent: number): string => `${size(sent)} of ${name} have arrived and would be deleted.`,
      confirm: "Cancel the upload",
      back: "Go on uploading",
    },
    refused: {
      title: (number: number): string => `${files(number)} not taken`,
      dismiss: "Dismiss",
      dismissAll: "Dismiss all",
    },
    /** What the client refuses before it asks the server. */
    checks: {
      format: (extension: string, allowed: readonly string[]): string =>
        `${extension ? `${extension} files are` : "Files without an extension are"} not taken here. Choose ${alternatives(allowed)}.`,
      size: (limit: number): string =>
        `The file is larger than ${size(limit)}, which is the most for one file here. Split or compress it.`,
      quota: {
        daily: (left: number, resetsAt: string): string =>
          `It is more than you may still upload today (${size(left)}). There is room again on ${moment(resetsAt)}.`,
        monthly: (left: number, resetsAt: string): string =>
          `It is more than you may still upload this month (${size(left)}). There is room again on ${moment(resetsAt)}.`,
        stored: (left: number): string =>
          `It is more than you may still store (${size(left)}). Delete files that you do not need any more.`,
        unfinished: (): string => "You have as many unfinished uploads as you may have. Finish or cancel some.",
      },
    },

    unreadable: (name: string): string => `${name} could not be read. Check that it is still there.`,
    folderUnreadable: "A part of the folder could not be read.",
    wrongFile: (name: string): string => `That is another file than ${name}, or it has changed since. Choose the same one.`,
    announce: {
      added: (number: number): string => `${files(number)} added`,
      done: (name: string): string => `${name} is uploaded`,
    },
  },

  files: {
    title: "Files",
    unnamed: "Without a name",
    filters: {
      label: "Search and filter",
      search: "Search by name",
      state: "State",
      states: { all: "All states", completed: "Finished", unfinished: "Unfinished" },
      owner: "Owner",
      owners: { everybody: "Everybody", me: "Mine" },
      kind: "Type",
      kinds: {
        any: "All types",
        image: "Images",
        video: "Videos",
        audio: "Audio",
        text: "Text",
        pdf: "PDF",
        zip: "Zip archives",
      },
      sort: "Order",
      sorts: {
        newest: "Newest first",
        oldest: "Oldest first",
        name: "Name, A to Z",
        "name-desc": "Name, Z to A",
        largest: "Largest first",
        smallest: "Smallest first",
      },
      clear: "Clear the filters",
    },
    list: {
      label: "Files",
      loading: "Loading the files",
      name: "Name",
      size: "Size",
      added: "Added",
      actions: "Actions",
      shown: (number: number, more: boolean): string => (more ? `The first ${files(number)}` : files(number)),
      more: "Show more",
      loadingMore: "Loading",
      again: "Try again",
      unknownSize: "Size not known",
    },
    empty: {
      title: "No files yet",
      text: "Files that are uploaded appear here at once.",
      upload: "Upload files",
      nothingFound: "Nothing found",
      tryElse: "No file is like that. Try another name, or fewer filters.",
      failed: "The files cannot be shown",
    },
    row: {
      download: (name: string): string => `Download ${name}`,
      rename: (name: string): string => `Rename ${name}`,
      remove: (name: string): string => `Delete ${name}`,
      unfinished: (percent: number): string => `Unfinished, ${percent} % arrived`,
      unfinishedBytes: (bytes: number): string => `Unfinished, ${size(bytes)} arrived`,
      progress: (name: string): string => `How much of ${name} has arrived`,
    },
    rename: {
      label: "New name",
      save: "Save",
      cancel: "Cancel",
      done: (name: string): string => `It is called ${name} now.`,
    },
    remove: {
      title: "Delete this file?",
      text: (name: string, bytes: number): string =>
        `${name} (${size(bytes)}) will be deleted for everybody. This cannot be undone.`,
      unfinishedTitle: "Delete this unfinished upload?",
      unfinishedText: (name: string, bytes: number): string =>
        `${size(bytes)} of ${name} have arrived and will be deleted. This cannot be undone.`,
      confirm: "Delete",
      busy: "Deleting",
      done: (name: string): string => `${name} is deleted.`,
    },
    details: {
      title: "File details",
      loading: "Loading",
      state: "State",
      states: {
        unfinished: "Unfinished",
        completed: "Finished",
        terminated: "Deleted",
        expired: "Expired",
      } as Record<string, string>,
      arrived: "Arrived",
      arrivedOf: (bytes: number, length: number | null): string =>
        length === null ? size(bytes) : `${size(bytes)} of ${size(length)}`,
      speed: "Speed",
      size: "Size",
      exact: (bytes: number): string => (bytes < 1000 ? size(bytes) : `${size(bytes)} (${count(bytes)} bytes)`),
      type: "Type",
      unknown: "Not known",
      owner: "Owner",
      you: (name: string): string => `${name} (you)`,
      created: "Added",
      completed: "Finished",
      expires: "Kept until",
      checksum: "Checksum",
      algorithms: { sha256: "SHA-256" } as Record<string, string>,
      copyChecksum: (algorithm: string): string => `Copy the ${algorithm} checksum`,
      checksumCopied: "The checksum is copied.",
      checksumSelected: "The checksum is selected. Copy it from there.",
      checksumUnknown: "None known to the server",
      checksumPending: "Being computed",
      history: "History",
      events: {
        created: "Added",
        completed: "Finished",
        renamed: "Renamed",
        terminated: "Deleted",
        expired: "Expired",
        rejected: "Refused",
      } as Record<string, string>,
      resume: "To go on with it, choose the same file again on the upload page, in the browser it was sent from.",
      download: "Download",
      share: "Share…",
      rename: "Rename",
      remove: "Delete",
      notFound: "There is no such file, or it is not yours to see.",
    },
    share: {
      title: "Share this file",
      text: "Whoever has the link can download the file without signing in.",
      lifetime: "Good for",
      lifetimes: { hour: "1 hour", day: "1 day", week: "7 days" },
      uses: "Downloads",
      anyNumber: "Any number",
      once: "One",
      copy: "Copy the link",
      busy: "Making the link",
      link: "Link",
      copied: "The link is copied.",
      copyYourself: "Copy the link from here. It is not shown again.",
      list: "Links to this file",
      loading: "Loading",
      none: "There are none.",
      until: (time: string): string => `Until ${date(time)}`,
      used: (uses: number, most: number | null): string =>
        most === null ? downloads(uses) : `${count(uses)} of ${downloads(most)}`,
      by: (who: string): string => `by ${who}`,
      revoke: "Revoke",
      revokeNamed: (link: string): string => `Revoke the link: ${link}`,
      revoked: "The link opens nothing any more.",
    },
    gone: "The file is not there any more.",
    goneNamed: (name: string): string => `${name} is not there any more.`,
    arrivals: {
      one: (who: string, name: string): string => (who ? `${who} uploaded ${name}.` : `${name} has arrived.`),
      many: (number: number): string => `${files(number)} have arrived.`,
      show: "Show",
    },
    live: {
      unreachable: "The server cannot be reached. Trying again until it can.",
    },
  },

  dialog: {
    close: "Close",
    cancel: "Cancel",
  },

  notices: {
    label: "Notices",
    dismiss: "Dismiss",
  },

  notFound: {
    title: "There is no such page",
    back: "Go to the uploads",
  },

  /** What a problem means for who reads it: what is wrong, and what to do. By the code of the problem document. */
  problems: {
    unreachable: () => "The server cannot be reached. Check the connection and try again.",
    "invalid-credentials": () => "The user name or the password is wrong.",
    "wrong-password": () => "That is not your current password.",
    "invalid-password": (problem: Problem) => problem.detail || "This cannot be a password. Choose another one.",
    "too-many-attempts": () => "Too many attempts have failed. Wait a few minutes and try again.",
    "invalid-token": () => "The server does not take this token. Get a new one.",
    unauthenticated: () => "You have to sign in for that.",
    "username-taken": () => "This user name is taken. Choose another one.",
    "registration-off": () => "New accounts are made by those who run this server. Ask them for one.",
    "invitation-invalid": () => "This invitation is not valid, or not any more. Ask for a new one.",
    "format-not-allowed": (problem: Problem) =>
      (problem.detail || "Files of this kind are not taken here.") +
      (problem["found"] ? " Choose a file that is what its name says." : ""),
    "max-size-exceeded": (problem: Problem) =>
      typeof problem["limit"] === "number"
        ? `The file is larger than ${size(problem["limit"])}, which is the most for one file here. Split or compress it.`
        : "The file is larger than what is taken here. Split or compress it.",
    "quota-exceeded": (problem: Problem) => quotaExceeded(problem),
    "insufficient-storage": () => "The server's disk is full. Tell those who run it; what has arrived is kept.",
    "metadata-too-large": () => "The file's name and path are too long. Shorten them.",
    "upload-not-found": () => "The server has no such upload any more. Retry to begin anew.",
    "upload-expired": () => "The upload was left unfinished for too long. Retry to begin anew.",
    "upload-terminated": () => "The upload was deleted. Retry to begin anew.",
    "upload-taken-over": () => "Another tab or device goes on with this upload. Retry to go on here.",
    forbidden: () => "You may not do that.",
    "upload-locked": () => "It is being sent or changed at this moment. Try again in a few seconds.",
    "invalid-name": (problem: Problem) => problem.detail || "A file cannot have this name. Choose another one.",
  } satisfies Record<string, (problem: Problem) => string>,

  /** Where there is nothing better to say. */
  problem: (problem: Problem): string =>
    problem.detail || `${problem.title}. Try again; if it stays like that, tell those who run this server.`,
};

/** `limit` and `used` are bytes, except for unfinished uploads. */
function quotaExceeded(problem: Problem): string {
  const { quota, limit, used, resets_at: resetsAt } = problem;
  const left = typeof limit === "number" && typeof used === "number" ? Math.max(0, limit - used) : null;
  const known = left !== null && typeof resetsAt === "string";
  const { quota: words } = en.upload.checks;
  if ((quota === "daily" || quota === "monthly") && known) return words[quota](left, resetsAt);
  if (quota === "stored" && left !== null) return words.stored(left);
  if (quota === "unfinished") return words.unfinished();
  if (quota === "size" && typeof limit === "number") return en.upload.checks.size(limit);
  return problem.detail || "It is more than you may upload.";
}
