import { Page } from '../../components/page';

export default function EndUsersPage() {
  return <Page title="EndUsers">…</Page>;
}
